/**
 * `npm start`: installs the plugins of values.example.yaml into ./dynamic-plugins-root, as an init container would. One of them is an
 * OCI artifact, so a registry is started on loopback and filled from examples/ first. Further arguments go to the installer.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startOciRegistry } from '../../test/support/oci-registry.ts';
import { pushArtifact } from '../../test/support/oci-push.ts';
import { EXAMPLE_PLUGINS } from '../../examples/plugins/build.ts';
import { exampleArchive } from '../../test/support/example-archive.ts';

/** values.example.yaml names it, so it cannot be a free port chosen at run time. */
const REGISTRY_PORT = 47_555;
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

async function main(): Promise<number> {
  const registry = await startOciRegistry({ port: REGISTRY_PORT }).catch((error: unknown) => {
    throw new Error(
      `cannot start the example registry on 127.0.0.1:${REGISTRY_PORT}; is another program using that port?`,
      { cause: error },
    );
  });
  try {
    for (const name of EXAMPLE_PLUGINS) {
      const target = { origin: registry.origin, repository: `examples/${name}`, tag: '1.0.0' };
      await pushArtifact(target, await exampleArchive(name));
    }
    await mkdir(join(ROOT, 'dynamic-plugins-root'), { recursive: true });
    return await runInstaller(process.argv.slice(2));
  } finally {
    await registry.close();
  }
}

function runInstaller(args: readonly string[]): Promise<number> {
  const command = [
    join(ROOT, 'installer/main.ts'),
    'install',
    '--values',
    'values.example.yaml',
    '--root',
    'dynamic-plugins-root',
    ...args,
  ];
  const child = spawn(process.execPath, command, { cwd: ROOT, stdio: 'inherit', env: environment() });
  // Ctrl-C reaches the child too; it decides how the run ends.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

/** The user's own registry settings, so that the demo also works behind a mirror; plain http for the loopback registry only. */
function environment(): NodeJS.ProcessEnv {
  const userConfig = process.env['npm_config_userconfig'];
  const npmrc = userConfig !== undefined && existsSync(userConfig) ? { PORTAL_PLUGINS_NPMRC: userConfig } : {};
  return { ...process.env, PORTAL_PLUGINS_INSECURE_HOSTS: `localhost:${REGISTRY_PORT}`, ...npmrc };
}

process.exitCode = await main();
