/** The image in Butler Portal's pod spec: its paths, its user, no arguments; a read-only root, no capabilities and 256 MiB. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { startDockerRegistry, whyNoDockerRegistry } from '../support/docker-registry.ts';
import { buildImage, whyNoImage } from '../support/image.ts';
import { eventsNamed } from '../support/logfmt.ts';
import { pushArtifact } from '../support/oci-push.ts';
import { startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { makePod, runContainer } from '../support/podman.ts';
import { sriOf } from '../support/tarball.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

const reason = (await whyNoImage()) ?? (await whyNoDockerRegistry('htpasswd'));
if (reason !== undefined) process.stderr.write(`skipped, the image in a pod: ${reason}\n`);

const TODO = backendPlugin({ name: '@acme/plugin-todo-backend', version: '1.4.2' });
const NOTES = backendPlugin({ name: '@acme/plugin-notes-backend', version: '2.0.0' });
const OTHER = sriOf(Buffer.from('another archive'));

interface Listed {
  readonly package: string;
  readonly integrity: string;
  readonly [key: string]: unknown;
}

/** As Butler Portal's chart renders its ConfigMap. */
const listOf = (plugins: readonly Listed[], more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ continueOnError: false, ...more, plugins });

describe.skipIf(reason !== undefined)('the image in a pod of Butler Portal', () => {
  let image = '';
  beforeAll(async () => {
    image = await buildImage();
  });

  test('installs a plugin from a registry that asks for the credentials of DOCKER_CONFIG', async () => {
    await using registry = disposable(await startDockerRegistry({ auth: 'htpasswd', users: { robot: 'secret' } }));
    const credential = { username: 'robot', password: 'secret' };
    const pushed = await pushArtifact({ ...registry, repository: 'acme/todo', tag: '1.4.2', credential }, TODO.tarball);
    await using pod = await makePod(
      listOf([{ package: pushed.reference, integrity: pushed.integrity }], {
        allowedSources: [`oci://${registry.host}/acme`],
      }),
    );
    const auths = { [registry.host]: { auth: Buffer.from('robot:secret').toString('base64') } };
    await writeFile(join(pod.dockerConfig, 'config.json'), JSON.stringify({ auths }));

    const result = await runContainer({ image, pod, environment: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host } });

    expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: '' });
    expect(topLevel(pod.root)).toEqual([
      'acme-plugin-todo-backend',
      'app-config.dynamic-plugins.yaml',
      'portal-plugins.json',
    ]);
    expect(await readFile(join(pod.root, 'acme-plugin-todo-backend/package.json'), 'utf8')).toContain(TODO.name);
    expect(eventsNamed(result.stdout, 'startup')).toMatchObject([
      {
        config_file: '/etc/butler-portal/dynamic-plugins.yaml',
        root: '/dynamic-plugins-root',
        continue_on_error: 'false',
        plugin_count: '1',
        allowed_sources: '1',
      },
    ]);
    expect(eventsNamed(result.stdout, 'plugin_installed')).toMatchObject([
      {
        level: 'info',
        package: pushed.reference,
        integrity: pushed.integrity,
        digest_verified: 'ok',
        name: TODO.name,
        dest: 'acme-plugin-todo-backend',
      },
    ]);
    expect(eventsNamed(result.stdout, 'completed')).toMatchObject([
      { level: 'info', installed: '1', rejected: '0', skipped: '0' },
    ]);
    expect(result.stdout).not.toContain('secret');
    expect(await readFile(pod.terminationLog, 'utf8')).toMatch(/^ok: 1 plugin/);
  });

  test('rejects a wrong integrity with both hashes, exit code 65 and no directory', async () => {
    await using registry = await startOciRegistry();
    const pushed = await pushArtifact({ ...registry, repository: 'acme/todo', tag: '1.4.2' }, TODO.tarball);
    await using pod = await makePod(listOf([{ package: pushed.reference, integrity: OTHER }]));

    const result = await runContainer({ image, pod, environment: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host } });

    expect(result.code).toBe(65);
    expect(topLevel(pod.root)).toEqual([]);
    expect(eventsNamed(result.stdout, 'plugin_rejected')).toMatchObject([
      { level: 'error', reason: 'integrity_mismatch', expected: OTHER, computed: TODO.integrity },
    ]);
    expect(eventsNamed(result.stdout, 'completed')).toMatchObject([{ installed: '0', rejected: '1', exitCode: '65' }]);
    expect(result.stdout).toContain('continueOnError_false');
    const told = await readFile(pod.terminationLog, 'utf8');
    expect(told).toMatch(/^IntegrityMismatch: 1 of 1 plugin/);
    expect(told).toContain(OTHER);
    expect(told).toContain(TODO.integrity);
    expect(Buffer.byteLength(told)).toBeLessThanOrEqual(2000);
  });

  test('refuses a source that is not allowed before any request is made', async () => {
    await using registry = await startOciRegistry();
    const pushed = await pushArtifact({ ...registry, repository: 'acme-evil/todo', tag: '1.4.2' }, TODO.tarball);
    const before = registry.requests.length;
    await using pod = await makePod(
      listOf([{ package: pushed.reference, integrity: pushed.integrity }], {
        allowedSources: [`oci://${registry.host}/acme`],
      }),
    );

    const result = await runContainer({ image, pod, environment: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host } });

    expect(result.code).toBe(65);
    expect(registry.requests.length - before).toBe(0);
    expect(topLevel(pod.root)).toEqual([]);
    expect(eventsNamed(result.stdout, 'plugin_rejected')).toMatchObject([{ reason: 'source_not_allowed' }]);
  });

  test('warns that every source is allowed when the list restricts none', async () => {
    await using registry = await startOciRegistry();
    const pushed = await pushArtifact({ ...registry, repository: 'acme/todo', tag: '1.4.2' }, TODO.tarball);
    await using pod = await makePod(listOf([{ package: pushed.reference, integrity: pushed.integrity }]));

    const result = await runContainer({ image, pod, environment: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host } });

    expect(result.code).toBe(0);
    expect(eventsNamed(result.stdout, 'startup_permissive_mode')).toMatchObject([
      { level: 'warn', reason: 'allowedSources_unset_permissive' },
    ]);
  });

  test('says which pull failed and why when the tag does not exist', async () => {
    await using registry = await startOciRegistry();
    await pushArtifact({ ...registry, repository: 'acme/todo', tag: '1.4.2' }, TODO.tarball);
    const missing = `oci://${registry.host}/acme/todo:9.9.9`;
    await using pod = await makePod(listOf([{ package: missing, integrity: TODO.integrity }]));

    const result = await runContainer({ image, pod, environment: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host } });

    expect(result.code).toBe(66);
    expect(eventsNamed(result.stdout, 'plugin_rejected')).toMatchObject([
      { package: missing, reason: 'oci_pull_failed', code: 'version_not_found' },
    ]);
  });

  test('installs the others and exits 0 when the list tolerates a failure', async () => {
    await using registry = await startOciRegistry();
    const good = await pushArtifact({ ...registry, repository: 'acme/todo', tag: '1.4.2' }, TODO.tarball);
    const bad = await pushArtifact({ ...registry, repository: 'acme/notes', tag: '2.0.0' }, NOTES.tarball);
    const disabled = { package: `oci://${registry.host}/acme/off:1`, integrity: OTHER, disabled: true };
    await using pod = await makePod(
      listOf(
        [
          { package: good.reference, integrity: good.integrity },
          { package: bad.reference, integrity: OTHER },
          disabled,
        ],
        { continueOnError: true },
      ),
    );

    const result = await runContainer({ image, pod, environment: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host } });

    expect(result.code).toBe(0);
    expect(eventsNamed(result.stdout, 'completed')).toMatchObject([{ installed: '1', rejected: '1', skipped: '1' }]);
    expect(eventsNamed(result.stdout, 'plugin_skipped')).toMatchObject([{ package: disabled.package }]);
    expect(topLevel(pod.root)).toContain('acme-plugin-todo-backend');
    expect(topLevel(pod.root)).not.toContain('acme-plugin-notes-backend');
  });

  test('reports a broken list with exit code 78 and leaves the volume alone', async () => {
    await using pod = await makePod('plugins:\n  - package: oci://127.0.0.1:9/acme/todo:1.4.2\n');

    const result = await runContainer({ image, pod });

    expect(result.code).toBe(78);
    expect(topLevel(pod.root)).toEqual([]);
    expect(await readFile(pod.terminationLog, 'utf8')).toMatch(/^IntegrityMissing: /);
  });

  test('starts again without a request while the registry is down', async () => {
    const registry = await startOciRegistry();
    const pushed = await pushArtifact({ ...registry, repository: 'acme/todo', tag: '1.4.2' }, TODO.tarball);
    await using pod = await makePod(listOf([{ package: pushed.reference, integrity: pushed.integrity }]));
    const environment = { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host };
    const first = await runContainer({ image, pod, environment });
    await registry.close();
    const before = volumeState(pod.root);

    const second = await runContainer({ image, pod, environment });

    expect([first.code, second.code]).toEqual([0, 0]);
    expect(eventsNamed(second.stdout, 'plugin_cached')).toMatchObject([{ name: TODO.name }]);
    expect(volumeState(pod.root, ['portal-plugins.json'])).toEqual(
      Object.fromEntries(Object.entries(before).filter(([path]) => path !== 'portal-plugins.json')),
    );
  });
});

function disposable<T extends { close(): Promise<void> }>(resource: T): T & AsyncDisposable {
  return { ...resource, [Symbol.asyncDispose]: () => resource.close() };
}
