/** The chart's memory limit holds for what portals install: the largest single plugin seen, and a full set. */
import { beforeAll, describe, expect, test } from 'vitest';
import { buildImage, whyNoImage } from '../support/image.ts';
import { eventsNamed } from '../support/logfmt.ts';
import { pushArtifact } from '../support/oci-push.ts';
import { startOciRegistry, type OciRegistry } from '../support/oci-registry.ts';
import { backendPlugin, type TestPlugin } from '../support/plugins.ts';
import { makePod, measureContainer, type MeasuredRun, type Pod } from '../support/podman.ts';

const reason = await whyNoImage();
if (reason !== undefined) process.stderr.write(`skipped, memory of the image: ${reason}\n`);

const MB = 1_000_000;

/** Bytes that gzip cannot shrink, the same on every run. */
function noise(bytes: number, seed: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  let state = seed;
  for (let at = 0; at < bytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    buffer[at] = state >>> 24;
  }
  return buffer;
}

/** About `bytes` as transferred, in `files` files beside those that make it a plugin. */
function bigPlugin(name: string, bytes: number, files: number): TestPlugin {
  const content = noise(Math.round(bytes / files), name.length + files);
  const entries = Array.from(
    { length: files },
    (_, index) => [`dist/part-${index}.bin`, salted(content, index)] as const,
  );
  return backendPlugin({ name, files: Object.fromEntries(entries), level: 1 });
}

function salted(content: Buffer, index: number): Buffer {
  const copy = Buffer.from(content);
  copy.writeUInt32LE(index, 0);
  for (let at = 0; at < copy.length; at += 64) copy[at] = (copy[at] ?? 0) ^ (index & 0xff);
  return copy;
}

describe.skipIf(reason !== undefined)('the image with 256 MiB', () => {
  let image = '';
  beforeAll(async () => {
    image = await buildImage();
  });

  async function installAll(registry: OciRegistry, plugins: readonly TestPlugin[]): Promise<[MeasuredRun, Pod]> {
    const entries = [];
    for (const plugin of plugins) {
      const repository = plugin.name.replace('@', '');
      const pushed = await pushArtifact({ ...registry, repository, tag: plugin.version }, plugin.tarball);
      entries.push({ package: pushed.reference, integrity: pushed.integrity });
    }
    const pod = await makePod(JSON.stringify({ allowedSources: [`oci://${registry.host}/`], plugins: entries }));
    const environment = { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host };
    return [await measureContainer({ image, pod, environment }), pod];
  }

  test.each([
    { what: 'one plugin of 20 MB', plugins: [bigPlugin('@acme/large-backend', 20 * MB, 300)] },
    {
      what: '30 plugins of 2 MB and 400 files',
      plugins: Array.from({ length: 30 }, (_, index) => bigPlugin(`@acme/plugin-${index}-backend`, 2 * MB, 400)),
    },
  ])('installs $what', async ({ what, plugins }) => {
    await using registry = await startOciRegistry();
    const [result, pod] = await installAll(registry, plugins);
    await using _ = pod;
    process.stderr.write(`${what}: ${(result.peakMemoryBytes / 2 ** 20).toFixed(0)} MiB with the page cache\n`);
    expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: '' });
    expect(eventsNamed(result.stdout, 'plugin_installed')).toHaveLength(plugins.length);
    // Zero would mean that the limit was never looked at.
    expect(result.peakMemoryBytes).toBeGreaterThan(0);
  });
});
