/**
 * The shape of installers that spawn a tool per plugin, as Red Hat Developer Hub's does: `skopeo copy` or `npm pack` fetches, node-tar
 * unpacks in this process. A peer for the bench, in its favour: nothing is verified and nothing is validated.
 *
 *     node bench/spawn-installer.ts skopeo|npm HOST ROOT PARALLEL < plugins.json
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { x } from 'tar';
import type { CorpusPlugin } from './corpus.ts';

const [tool, host, root, parallel] = process.argv.slice(2);
if ((tool !== 'skopeo' && tool !== 'npm') || host === undefined || root === undefined) {
  throw new Error('usage: spawn-installer.ts skopeo|npm HOST ROOT PARALLEL < plugins.json');
}
const queue = [...((await json(process.stdin)) as readonly CorpusPlugin[])];
await Promise.all(Array.from({ length: Number(parallel) }, () => worker(tool, host, root)));

async function worker(tool: 'skopeo' | 'npm', host: string, root: string): Promise<void> {
  for (let plugin = queue.shift(); plugin !== undefined; plugin = queue.shift()) {
    const scratch = join(root, '.scratch', plugin.name);
    const directory = join(root, plugin.name);
    await mkdir(scratch, { recursive: true });
    await mkdir(directory);
    const file = tool === 'npm' ? await npmPack(plugin, host, scratch) : await skopeoCopy(plugin, host, scratch);
    await x({ file, cwd: directory, strip: 1 });
  }
}

async function npmPack(plugin: CorpusPlugin, host: string, scratch: string): Promise<string> {
  await spawned(
    'npm',
    ['pack', '--silent', '--registry', `http://${host}/`, `${plugin.name}@${plugin.version}`],
    scratch,
  );
  const [name] = await readdir(scratch);
  if (name === undefined) throw new Error(`npm pack left nothing in ${scratch}`);
  return join(scratch, name);
}

async function skopeoCopy(plugin: CorpusPlugin, host: string, scratch: string): Promise<string> {
  const from = `docker://${host}/${plugin.name}:${plugin.version}`;
  const flags = ['--quiet', '--insecure-policy', '--src-tls-verify=false'];
  await spawned('skopeo', ['copy', ...flags, from, `dir:${scratch}`], scratch);
  return join(scratch, plugin.digest.replace('sha256:', ''));
}

function spawned(program: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
  });
}
