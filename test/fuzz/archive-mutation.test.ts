/** Whole archives: honest ones unpack to exactly what was packed, damaged ones fail with a reason, and nothing is ever written outside. */
import { createHash } from 'node:crypto';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { Parser, type ReadEntry } from 'tar';
import { expect, test } from 'vitest';
import { judgeEntry, type TarEntry } from '../../installer/archive/policy.ts';
import { TarReader } from '../../installer/archive/tar-reader.ts';
import { InstallError } from '../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../installer/core/limits.ts';
import { REASONS } from '../../installer/core/reasons.ts';
import { directory, END, file, gnuLong, hardlink, pax, symlink } from '../support/tar-builder.ts';
import { fuzzRuns } from '../support/fuzz-runs.ts';
import { attempt } from '../support/unpacking.ts';
import type { VolumeState } from '../support/volume-state.ts';

interface Packed {
  readonly blocks: readonly Buffer[];
  readonly expected: VolumeState;
}

const name = fc.stringMatching(/^[a-z][a-z0-9_@+-]{0,11}$/);
const content = fc.uint8Array({ maxLength: 3000 });
const member = fc.record({
  directories: fc.array(name, { maxLength: 4 }),
  content,
  isExecutable: fc.boolean(),
  carrier: fc.constantFrom('header', 'pax', 'gnu', 'prefix'),
  extra: fc.constantFrom('none', 'none', 'symlink', 'hardlink', 'bin', 'directory', 'global'),
});
const packed: fc.Arbitrary<Packed> = fc.array(member, { minLength: 1, maxLength: 12 }).map(pack);

/** Members are numbered, so that no two names collide: files `fN`, directories below `dN`. */
function pack(members: readonly (typeof member extends fc.Arbitrary<infer T> ? T : never)[]): Packed {
  const blocks: Buffer[] = [];
  const expected: Record<string, string> = {};
  for (const [index, { directories, content, isExecutable, carrier, extra }] of members.entries()) {
    const parents = directories.length === 0 ? [] : [`d${index}`, ...directories];
    for (const [depth] of parents.entries()) expected[parents.slice(0, depth + 1).join('/')] = 'dir 0755';
    const path = [...parents, `f${index}`].join('/');
    const mode = isExecutable ? 0o755 : 0o644;
    blocks.push(
      named(`package/${path}`, carrier, (fields) => file(fields.name, content, { mode, prefix: fields.prefix })),
    );
    const shown = `file ${isExecutable ? '0755' : '0644'} ${content.length} ${createHash('sha256').update(content).digest('hex')}`;
    expected[path] = shown;
    const [block, state] = extraMember(extra, index, { path, shown });
    blocks.push(block);
    Object.assign(expected, state);
  }
  return { blocks, expected: Object.fromEntries(Object.entries(expected).toSorted(([a], [b]) => (a < b ? -1 : 1))) };
}

/** What may stand behind a file: a link to it, a copy of it, something that is left out. */
function extraMember(
  extra: string,
  index: number,
  last: { readonly path: string; readonly shown: string },
): readonly [Buffer, Record<string, string>] {
  if (extra === 'symlink') {
    const target = last.path.length > 90 ? '.' : last.path;
    return [symlink(`package/l${index}`, target), { [`l${index}`]: `link ${target}` }];
  }
  if (extra === 'hardlink') {
    const linkpath = pax({ linkpath: `package/${last.path}` });
    return [Buffer.concat([linkpath, hardlink(`package/h${index}`, 'x')]), { [`h${index}`]: last.shown }];
  }
  if (extra === 'bin') return [symlink(`package/node_modules/.bin/b${index}`, '/anywhere'), {}];
  if (extra === 'directory') return [directory(`package/e${index}/`), { [`e${index}`]: 'dir 0755' }];
  return [extra === 'global' ? pax({ comment: 'c' }, 'g') : Buffer.alloc(0), {}];
}

function named(path: string, carrier: string, make: (fields: { name: string; prefix: string }) => Buffer): Buffer {
  const slash = path.lastIndexOf('/');
  if (carrier === 'prefix' && slash < 130) return make({ name: path.slice(slash + 1), prefix: path.slice(0, slash) });
  if (carrier === 'gnu') return Buffer.concat([gnuLong(path), make({ name: 'short', prefix: '' })]);
  if (carrier === 'pax' || path.length > 99) return Buffer.concat([pax({ path }), make({ name: 'short', prefix: '' })]);
  return make({ name: path, prefix: '' });
}

type Format = 'gzip' | 'members' | 'zstd' | 'frames' | 'tar';
const format = fc.constantFrom<Format>('gzip', 'members', 'zstd', 'frames', 'tar');
const checksummed = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };

function compress(tar: Buffer, how: Format): Buffer {
  const middle = tar.length >> 1;
  const halves = [tar.subarray(0, middle), tar.subarray(middle)];
  if (how === 'gzip') return gzipSync(tar);
  if (how === 'members') return Buffer.concat(halves.map((half) => gzipSync(half)));
  if (how === 'zstd') return zstdCompressSync(tar, checksummed);
  if (how === 'frames') return Buffer.concat(halves.map((half) => zstdCompressSync(half, checksummed)));
  return tar;
}

/** Positions are fractions of the length, so that they mean something for every archive. */
const mutation = fc.record({
  kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'remove', 'repeat', 'swap', 'zero'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 1100 }),
  byte: fc.nat(255),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutate(bytes: Buffer, { kind, at, length, byte }: Mutation): Buffer {
  const position = Math.min(Math.floor(at * bytes.length), Math.max(bytes.length - 1, 0));
  const [before, here, after] = [
    bytes.subarray(0, position),
    bytes.subarray(position, position + length),
    bytes.subarray(position + length),
  ];
  if (kind === 'cut') return before;
  if (kind === 'insert') return Buffer.concat([before, Buffer.alloc(length, byte), bytes.subarray(position)]);
  if (kind === 'remove') return Buffer.concat([before, after]);
  if (kind === 'repeat') return Buffer.concat([before, here, here, after]);
  if (kind === 'swap') return Buffer.concat([before, after.subarray(0, length), here, after.subarray(length)]);
  if (kind === 'zero') return Buffer.concat([before, Buffer.alloc(here.length), after]);
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[position] = kind === 'set' ? byte : (copy[position] ?? 0) ^ (1 << (byte % 8));
  return copy;
}

/** A refusal is one of ours with a reason of this stage, never a bug, a foreign error or a fault of the volume. */
function demandReason(error: Error): void {
  expect(error).toBeInstanceOf(InstallError);
  if (!(error instanceof InstallError)) return;
  expect(error.reason === 'SizeBudgetExceeded' || REASONS[error.reason].stage === 'unpack' ? 'fine' : error).toBe(
    'fine',
  );
}

test('an honest archive unpacks to exactly what was packed, in every format', async () => {
  const property = fc.asyncProperty(packed, format, async ({ blocks, expected }, how) => {
    const { state, outcome } = await attempt(compress(Buffer.concat([...blocks, END]), how));
    if (outcome instanceof Error) throw outcome;
    const shown = Object.fromEntries(Object.entries(state ?? {}).filter(([path]) => !path.startsWith('node_modules')));
    expect(shown).toEqual(expected);
  });
  await fc.assert(property, fuzzRuns(100));
});

test('a compressed archive that was damaged unpacks to exactly what was packed or fails with a reason', async () => {
  const compressed = fc.constantFrom<Format>('gzip', 'members', 'zstd', 'frames');
  const property = fc.asyncProperty(
    packed,
    compressed,
    fc.array(mutation, { minLength: 1, maxLength: 3 }),
    async (honest, how, mutations) => {
      const damaged = mutations.reduce(mutate, compress(Buffer.concat([...honest.blocks, END]), how));
      const { state, outcome } = await attempt(damaged);
      if (outcome instanceof Error) demandReason(outcome);
      else
        expect(
          Object.fromEntries(Object.entries(state ?? {}).filter(([path]) => !path.startsWith('node_modules'))),
        ).toEqual(honest.expected);
    },
  );
  await fc.assert(property, fuzzRuns(150));
});

test('a tar stream of any damage fails with a reason or writes inside, with clean modes', async () => {
  const property = fc.asyncProperty(
    packed,
    fc.array(mutation, { minLength: 1, maxLength: 6 }),
    fc.boolean(),
    async (honest, mutations, isImage) => {
      const damaged = mutations.reduce(mutate, Buffer.concat([...honest.blocks, END]));
      const { outcome, left } = await attempt(
        gzipSync(damaged, { level: 1 }),
        isImage ? { layout: 'image', wanted: ['package'] } : {},
      );
      if (outcome instanceof Error) {
        demandReason(outcome);
        expect(left).toEqual({});
      }
      for (const shown of Object.values(left)) expect(shown).toMatch(/^(?:dir 0755|file 0(?:644|755) |link )/);
    },
  );
  await fc.assert(property, fuzzRuns(150));
});

/** node-tar's names of the types that become something on disk. */
const TYPES: Readonly<Record<string, string>> = {
  File: '0',
  OldFile: '0',
  Link: '1',
  SymbolicLink: '2',
  Directory: '5',
};

/** What node-tar reads in strict mode, as one line for each entry. */
function readByNodeTar(tar: Buffer): readonly string[] {
  const seen: string[] = [];
  const parser = new Parser({ strict: true });
  parser.on('entry', (entry: ReadEntry) => {
    const type = TYPES[entry.type];
    const hash = createHash('sha256');
    entry.on('data', (piece: Buffer) => hash.update(piece));
    entry.on('end', () => {
      if (type !== undefined)
        seen.push([type, entry.path, entry.linkpath ?? '', entry.size, hash.digest('hex')].join('|'));
    });
  });
  parser.write(tar);
  parser.end();
  return seen;
}

/** The same, read by us; undefined when an entry or the archive is refused. */
function readByUs(tar: Buffer): readonly string[] | undefined {
  const seen: string[] = [];
  let entry: TarEntry | undefined;
  let hash = createHash('sha256');
  const reader = new TarReader({
    onEntry(next) {
      const decision = judgeEntry(next, { entries: 0, plugins: 1 }, DEFAULT_LIMITS);
      if (decision instanceof InstallError) throw decision;
      [entry, hash] = [next, createHash('sha256')];
    },
    onContent: (piece) => hash.update(piece),
    onEntryEnd: () => seen.push([entry?.type, entry?.path, entry?.target, entry?.size, hash.digest('hex')].join('|')),
  });
  try {
    reader.write(tar);
    reader.finish();
    return seen;
  } catch (error) {
    if (error instanceof InstallError) return undefined;
    throw error;
  }
}

test('what is accepted is read by node-tar as the same entries with the same content', () => {
  let accepted = 0;
  const property = fc.property(packed, fc.array(mutation, { maxLength: 4 }), ({ blocks }, mutations) => {
    const tar = mutations.reduce(mutate, Buffer.concat([...blocks, END]));
    const ours = readByUs(tar);
    if (ours === undefined || ours.length === 0) return; // node-tar takes an archive of nothing for damaged
    accepted += 1;
    expect(ours).toEqual(readByNodeTar(tar));
  });
  fc.assert(property, fuzzRuns(1000));
  expect(accepted).toBeGreaterThan(20); // else it would have compared nothing
});

test('blocks in any order, doubled and left out, fail with a reason or write inside', async () => {
  const property = fc.asyncProperty(packed, fc.array(fc.nat(), { maxLength: 30 }), async ({ blocks }, order) => {
    const shuffled = order.map((index) => blocks[index % blocks.length] ?? Buffer.alloc(0));
    const { outcome, left } = await attempt(gzipSync(Buffer.concat([...shuffled, END]), { level: 1 }));
    if (outcome instanceof Error) {
      demandReason(outcome);
      expect(left).toEqual({});
    }
  });
  await fc.assert(property, fuzzRuns(100));
});

test('random bytes fail with a reason', async () => {
  const magic = fc.constantFrom<number[]>([], [0x1f, 0x8b, 8, 0], [0x28, 0xb5, 0x2f, 0xfd], [0x50, 0x2a, 0x4d, 0x18]);
  const property = fc.asyncProperty(magic, fc.uint8Array({ maxLength: 2000 }), async (start, rest) => {
    const { outcome, left } = await attempt(Buffer.concat([Buffer.from(start), rest]));
    expect(outcome).toBeInstanceOf(Error);
    if (outcome instanceof Error) demandReason(outcome);
    expect(left).toEqual({});
  });
  await fc.assert(property, fuzzRuns(100));
});
