/** Signals at the image's first process: a stop is clean, and a kill is repaired by the next start. */
import { readFile, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildImage, whyNoImage } from '../support/image.ts';
import { eventsNamed } from '../support/logfmt.ts';
import { pushArtifact } from '../support/oci-push.ts';
import { startOciRegistry, type OciRegistry } from '../support/oci-registry.ts';
import { backendPlugin, type TestPlugin } from '../support/plugins.ts';
import { makePod, runContainer, startContainer, type Container, type Pod } from '../support/podman.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

const reason = await whyNoImage();
if (reason !== undefined) process.stderr.write(`skipped, signals at the image: ${reason}\n`);

const OLD = backendPlugin({ name: '@acme/plugin-todo-backend', version: '1.4.2' });
const NEW = backendPlugin({ name: '@acme/plugin-todo-backend', version: '1.5.0' });

const push = async (registry: OciRegistry, plugin: TestPlugin): Promise<string> => {
  const pushed = await pushArtifact({ ...registry, repository: 'acme/todo', tag: plugin.version }, plugin.tarball);
  return JSON.stringify({
    allowedSources: [`oci://${registry.host}/acme`],
    plugins: [{ package: pushed.reference, integrity: pushed.integrity }],
  });
};

describe.skipIf(reason !== undefined)('the image when it is stopped', () => {
  let image = '';
  beforeAll(async () => {
    image = await buildImage();
  });

  interface Downloading {
    readonly container: Container;
    readonly pod: Pod;
    readonly registry: OciRegistry;
    readonly environment: Readonly<Record<string, string>>;
  }

  /** A pod with the old set on its volume and a container that hangs in the middle of the new plugin's download. */
  async function startDownload(registry: OciRegistry): Promise<Downloading> {
    const environment = { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host };
    const pod = await makePod(await push(registry, OLD));
    expect((await runContainer({ image, pod, environment })).code).toBe(0);
    await writeFile(pod.list, await push(registry, NEW));
    const asked = new Promise<void>((resolve) => {
      registry.interceptWith((request) => {
        if (!request.path.includes('/blobs/')) return undefined;
        resolve();
        return { fault: 'stall', after: 100 };
      });
    });
    const container = startContainer({ image, pod, environment });
    await Promise.race([asked, container.ended.then((end) => Promise.reject(new Error(end.stdout + end.stderr)))]);
    return { container, pod, registry, environment };
  }

  test('SIGTERM during a download ends with 143 and the volume as it was', async () => {
    await using registry = await startOciRegistry();
    const { container, pod } = await startDownload(registry);
    await using _ = pod;
    const before = volumeState(pod.root, ['.portal-plugins']);

    await container.kill('SIGTERM');
    const result = await container.ended;

    expect(result.code).toBe(143);
    expect(volumeState(pod.root)).toEqual(before);
    expect(eventsNamed(result.stdout, 'completed')).toMatchObject([{ exitCode: '143' }]);
    expect(await readFile(pod.terminationLog, 'utf8')).toMatch(/^Terminated/);
  });

  test('a kill during a download is repaired by the next start', async () => {
    await using registry = await startOciRegistry();
    const { container, pod, environment } = await startDownload(registry);
    await using _ = pod;
    await container.kill('SIGKILL');
    const killed = await container.ended;
    registry.interceptWith(undefined);

    const result = await runContainer({ image, pod, environment });

    expect([killed.code, result.code]).toEqual([137, 0]);
    expect(eventsNamed(result.stdout, 'plugin_installed')).toMatchObject([{ version: NEW.version }]);
    expect(topLevel(pod.root)).toEqual([
      'acme-plugin-todo-backend',
      'app-config.dynamic-plugins.yaml',
      'portal-plugins.json',
    ]);
    expect(await readFile(`${pod.root}/acme-plugin-todo-backend/package.json`, 'utf8')).toContain(NEW.version);
  });
});
