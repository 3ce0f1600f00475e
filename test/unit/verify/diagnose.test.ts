import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestToIntegrity, parseDigest, parseIntegrity, type Integrity } from '../../../installer/core/integrity.ts';
import type { Claims, Digest } from '../../../installer/core/types.ts';
import { CAUSES } from '../../../installer/verify/diagnose.ts';
import { integrityCheck } from '../../../installer/verify/integrity.ts';
import { testContext } from '../../support/context.ts';
import { fetchedScratch, type FetchedOptions, type FetchedScratch } from '../../support/fetched.ts';
import { failureOf } from '../../support/http.ts';
import { npmTarball, plainTar, sriOf } from '../../support/tarball.ts';
import type { InstallError } from '../../../installer/core/errors.ts';

const files = { 'package.json': '{"name":"todo"}', 'dist/index.js': 'x'.repeat(5000) };
const tar = plainTar(files);
const archive = npmTarball(files);
const other = sriOf(Buffer.from('other'));
const digestOf = (bytes: Uint8Array): Digest => {
  const hex = Buffer.from(sriOf(bytes, 'sha256').slice('sha256-'.length), 'base64').toString('hex');
  const digest = parseDigest(`sha256:${hex}`);
  if (digest === undefined) throw new Error('no digest');
  return digest;
};

let scratch: FetchedScratch;
beforeAll(async () => {
  scratch = await fetchedScratch();
});
afterAll(() => scratch[Symbol.asyncDispose]());

async function mismatch(bytes: Uint8Array, expected: Integrity, options: FetchedOptions = {}): Promise<InstallError> {
  const check = integrityCheck(expected);
  const fetched = await scratch.fetched([bytes], { ...options, checks: [check] });
  return failureOf(check.verify(fetched, testContext({ limits: { unpackedBytes: 1024 * 1024 } })));
}

interface Row {
  readonly what: string;
  readonly bytes?: Uint8Array;
  readonly expected?: Integrity;
  readonly claims?: Claims;
  readonly announced?: number;
  readonly pinned?: NonNullable<FetchedOptions['pinned']>;
  readonly evidence: keyof typeof CAUSES;
}

const html = Buffer.from('\ufeff<!DOCTYPE html><html><body>Sign in</body></html>');
const rows: readonly Row[] = [
  {
    what: '(a) npm: the record equals the download',
    claims: { integrity: sriOf(archive) },
    evidence: 'record-is-computed',
  },
  {
    what: '(a) OCI: the descriptor equals the download',
    claims: { digest: digestOf(archive) },
    evidence: 'record-is-computed',
  },
  {
    what: '(a) also when what was published is a page',
    bytes: html,
    claims: { integrity: sriOf(html) },
    evidence: 'record-is-computed',
  },
  { what: '(b) the record equals the pin', claims: { integrity: other }, evidence: 'record-is-expected' },
  {
    what: '(b) the record holds the pin among others',
    claims: { integrity: parseIntegrity(`${sriOf(tar, 'sha256')} ${other}`) },
    evidence: 'record-is-expected',
  },
  { what: '(c) HTML', bytes: html, claims: { integrity: other }, evidence: 'page' },
  { what: '(c) XML', bytes: Buffer.from('<?xml version="1.0"?><Error/>'), evidence: 'page' },
  { what: '(c) JSON', bytes: Buffer.from(' {"error":"not found"}'), evidence: 'page' },
  { what: '(c) text', bytes: Buffer.from('upstream connect error\n'), evidence: 'page' },
  { what: '(c) long text cut inside a character', bytes: Buffer.from('x' + 'ä'.repeat(400)), evidence: 'page' },
  {
    what: '(d) shorter than Content-Length',
    bytes: archive.subarray(0, 40),
    announced: archive.length,
    evidence: 'truncated',
  },
  {
    what: '(d) shorter than the metadata',
    bytes: archive.subarray(0, 40),
    claims: { bytes: archive.length },
    evidence: 'truncated',
  },
  {
    what: '(d) a gzip stream that ends in the middle',
    bytes: archive.subarray(0, archive.length - 20),
    evidence: 'truncated',
  },
  {
    what: '(d) a zstd stream that ends in the middle',
    bytes: zstdCompressSync(tar).subarray(0, 60),
    evidence: 'truncated',
  },
  { what: '(d) nothing at all', bytes: Buffer.alloc(0), announced: 10, evidence: 'truncated' },
  { what: '(e) the pin is of the tar inside', expected: sriOf(tar), evidence: 'uncompressed' },
  {
    what: '(e) the pin is the sha256 of the tar inside, as the diff id of a layer',
    bytes: gzipSync(tar),
    expected: sriOf(tar, 'sha256'),
    evidence: 'uncompressed',
  },
  {
    what: '(e) the pin is of the tar inside, though the record equals the download',
    expected: sriOf(tar),
    claims: { integrity: sriOf(archive) },
    evidence: 'uncompressed',
  },
  {
    what: '(e) only a weaker value matches',
    expected: parseIntegrity(`${other} ${sriOf(archive, 'sha256')}`),
    evidence: 'other-algorithm',
  },
  {
    what: '(e) the pin is the digest of the manifest',
    expected: digestToIntegrity(digestOf(Buffer.from('manifest'))),
    pinned: { manifestDigest: digestOf(Buffer.from('manifest')) },
    evidence: 'manifest-digest',
  },
  { what: 'nothing to go by', evidence: 'none' },
  { what: 'a record that equals neither', claims: { integrity: sriOf(tar) }, evidence: 'none' },
  { what: 'a damaged gzip', bytes: Buffer.concat([archive.subarray(0, 10), Buffer.alloc(50, 0xff)]), evidence: 'none' },
];

describe('the cause of a mismatch', () => {
  test.each(rows)('$what', async ({ bytes = archive, expected = other, evidence, ...options }) => {
    const error = await mismatch(bytes, expected, options);
    expect(error.reason).toBe('IntegrityMismatch');
    expect(error.details).toMatchObject({ evidence, cause: CAUSES[evidence], bytes: bytes.length });
  });

  test('comes with expected, computed and the address, all in full', async () => {
    const error = await mismatch(archive, other, { claims: { integrity: sriOf(archive) } });
    expect(error.details).toEqual({
      expected: other,
      computed: sriOf(archive),
      bytes: archive.length,
      from: 'https://registry.example/todo-1.4.2.tgz',
      cause: "the registry's own record matches the download, so the pinned value is stale or wrong",
      fix: 'check the release, then set plugins[3].integrity to the computed value',
      evidence: 'record-is-computed',
    });
  });

  test('states computed in the algorithm that decides', async () => {
    const error = await mismatch(archive, sriOf(tar, 'sha256'));
    expect(error.details['computed']).toBe(sriOf(archive, 'sha256'));
  });

  test.each([
    ['record-is-expected', { claims: { integrity: other } }, archive],
    ['page', {}, html],
    ['truncated', { announced: archive.length }, archive.subarray(0, 40)],
  ] as const)('never offers the computed value as the pin: %s', async (_evidence, options, bytes) => {
    const { fix } = await mismatch(bytes, other, options);
    expect(fix).not.toMatch(/set plugins\[3\]\.integrity/);
    expect(fix).toContain('keep plugins[3].integrity');
  });

  test('is found without inflating a bomb further than a plugin may', async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    const error = await mismatch(bomb, sriOf(Buffer.alloc(8 * 1024 * 1024)));
    expect(error.details['evidence']).toBe('none');
  });
});
