/** Plugin archives made from a fixed seed: the same bytes on every machine, kept below `.cache/bench`. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npmTarball, sriOf, type Files } from '../test/support/tarball.ts';

export interface CorpusSet {
  readonly name: string;
  /** Compressed size wanted per plugin, in bytes. */
  readonly sizes: readonly number[];
  /** Files per plugin of that compressed size. */
  readonly filesOf: (bytes: number) => number;
}

export interface CorpusPlugin {
  readonly name: string;
  readonly version: string;
  /** Absolute. */
  readonly file: string;
  readonly bytes: number;
  readonly files: number;
  /** sha512 of the archive. */
  readonly integrity: string;
  /** `sha256:` + hex. */
  readonly digest: string;
  /** sha1 hex, which packuments carry. */
  readonly shasum: string;
}

const MB = 1_000_000;

/** Raised when the bytes change, so that an old corpus is not taken for a new one. */
const GENERATION = 3;

/** Ratio that gzip reaches on the text made here, as on real plugins (21 of them: 3 to 4). */
const RATIO = 3.4;

/** 30 plugins of about 2 MB and 400 files. */
export const SET_S: CorpusSet = { name: 'S', sizes: Array.from({ length: 30 }, () => 2 * MB), filesOf: () => 400 };

/** 60 plugins from 0.1 to 20 MB, sizes spread evenly on a logarithmic scale, 400 files on average. */
export const SET_M: CorpusSet = {
  name: 'M',
  sizes: Array.from({ length: 60 }, (_, index) => Math.round(0.1 * MB * 200 ** (index / 59))),
  filesOf: (bytes) => Math.max(12, Math.round((400 * bytes) / (3.9 * MB))),
};

/** 3 plugins of 100 MB. */
export const SET_L: CorpusSet = { name: 'L', sizes: [100 * MB, 100 * MB, 100 * MB], filesOf: () => 400 };

/** The first `count` plugins of a set, for a quick look. */
export function first(set: CorpusSet, count: number): CorpusSet {
  return { ...set, name: `${set.name}${count}`, sizes: set.sizes.slice(0, count) };
}

/** Makes the set's archives, or finds those made before. */
export async function makeCorpus(cacheDir: string, set: CorpusSet): Promise<readonly CorpusPlugin[]> {
  const directory = join(cacheDir, `corpus-${set.name}-${GENERATION}`);
  const index = join(directory, 'index.json');
  const known = await readFile(index, 'utf8').catch(() => undefined);
  if (known !== undefined) return JSON.parse(known) as readonly CorpusPlugin[];
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const plugins: CorpusPlugin[] = [];
  for (const [position, size] of set.sizes.entries()) {
    plugins.push(await makePlugin(directory, { set, position, size }));
  }
  await writeFile(`${index}.new`, JSON.stringify(plugins, undefined, 2));
  await rename(`${index}.new`, index);
  return plugins;
}

async function makePlugin(
  directory: string,
  made: { readonly set: CorpusSet; readonly position: number; readonly size: number },
): Promise<CorpusPlugin> {
  const name = `bench-${made.set.name.toLowerCase()}-plugin-${String(made.position).padStart(3, '0')}`;
  const version = '1.0.0';
  const files = pluginFiles({ name, version, ...made });
  const archive = npmTarball(files);
  const file = join(directory, `${name}.tgz`);
  await writeFile(file, archive);
  return {
    name,
    version,
    file,
    bytes: archive.length,
    files: Object.keys(files).length,
    integrity: sriOf(archive),
    digest: `sha256:${createHash('sha256').update(archive).digest('hex')}`,
    shasum: createHash('sha1').update(archive).digest('hex'),
  };
}

interface PluginPlan {
  readonly name: string;
  readonly version: string;
  readonly set: CorpusSet;
  readonly position: number;
  readonly size: number;
}

function pluginFiles(plan: PluginPlan): Files {
  const random = seeded(plan.position + 1 + plan.set.name.charCodeAt(0) * 1000);
  const count = plan.set.filesOf(plan.size);
  const text = textOf(Math.round(plan.size * RATIO), random);
  const weights = Array.from({ length: count }, () => 0.2 + random() ** 3 * 4);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const manifest = {
    name: plan.name,
    version: plan.version,
    main: 'dist/index.cjs.js',
    backstage: { role: 'backend-plugin' },
  };
  const files: Record<string, Uint8Array | string> = {
    'package.json': JSON.stringify(manifest),
    'dist/index.cjs.js': "'use strict';\nexports.default = {};\n",
  };
  let from = 0;
  for (const [index, weight] of weights.entries()) {
    const to = Math.min(text.length, from + Math.round((text.length * weight) / total));
    files[`dist/part-${index % 20}/module-${index}.cjs.js`] = text.subarray(from, to);
    from = to;
  }
  return files;
}

/** Code-like text: lines of words from a small vocabulary, with enough noise that gzip reaches RATIO. */
function textOf(bytes: number, random: () => number): Buffer {
  const text = Buffer.allocUnsafe(bytes);
  let at = 0;
  while (at < bytes) {
    const isNoise = random() < 0.27;
    const word = isNoise
      ? `_${Math.floor(random() * 0xff_ff_ff).toString(36)}`
      : (WORDS[Math.floor(random() * WORDS.length)] ?? '');
    at += text.write(`${word}${random() < 0.12 ? ';\n  ' : ' '}`, at, 'latin1');
  }
  return text;
}

const WORDS = (
  'const function return export import require module exports async await promise undefined null true false this new ' +
  'class extends static get set if else for while switch case break continue throw try catch finally typeof instanceof ' +
  'options context logger config database router express request response entity catalog plugin service client token ' +
  'Object.defineProperty(exports, "__esModule", { value: true }) Array.isArray JSON.stringify process.env.NODE_ENV'
).split(' ');

/** mulberry32: small, fast, the same everywhere. In [0, 1). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
