/** What every check must do, whatever it checks: right bytes give evidence, any other bytes a reason, and nothing a third outcome. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDigest } from '../../installer/core/integrity.ts';
import type { Check, Digest, Fetched } from '../../installer/core/types.ts';
import { checksFor, VERIFIERS } from '../../installer/verify/index.ts';
import { testContext } from '../support/context.ts';
import { fetchedScratch, type FetchedOptions, type FetchedScratch } from '../support/fetched.ts';
import { failureOf } from '../support/http.ts';
import { npmTarball, sriOf } from '../support/tarball.ts';

const archive = npmTarball({ 'package.json': '{}' });

function digestOf(bytes: Uint8Array): Digest {
  const hex = Buffer.from(sriOf(bytes, 'sha256').slice('sha256-'.length), 'base64').toString('hex');
  const digest = parseDigest(`sha256:${hex}`);
  if (digest === undefined) throw new Error('no digest');
  return digest;
}

interface CheckKind {
  readonly kind: string;
  /** Wire keys that make the check. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly digest: Digest | undefined;
  readonly options: FetchedOptions;
  readonly reason: string;
}

const manifestDigest = digestOf(Buffer.from('manifest'));
const KINDS: readonly CheckKind[] = [
  {
    kind: 'integrity',
    values: { integrity: sriOf(archive) },
    digest: undefined,
    options: {},
    reason: 'IntegrityMismatch',
  },
  {
    kind: 'digest',
    values: {},
    digest: manifestDigest,
    options: { claims: { digest: digestOf(archive) }, pinned: { manifestDigest } },
    reason: 'DigestMismatch',
  },
];

let scratch: FetchedScratch;
beforeAll(async () => {
  scratch = await fetchedScratch();
});
afterAll(() => scratch[Symbol.asyncDispose]());

test('every registered verifier is among the kinds', () => {
  const keys = KINDS.flatMap(({ values }) => Object.keys(values));
  expect(keys.sort()).toEqual(VERIFIERS.map(({ key }) => key).sort());
});

describe.each(KINDS)('the $kind check', ({ kind, values, digest, options, reason }) => {
  const check = (): Check => {
    const [made, ...others] = checksFor(values, { digest });
    if (made === undefined || others.length > 0) throw new Error('one check was expected');
    return made;
  };
  const fetched = (bytes: Uint8Array): Promise<Fetched> => scratch.fetched([bytes], { ...options, checks: [check()] });

  test('has a kind, a canonical text and the hashes it needs', () => {
    expect(check().kind).toBe(kind);
    expect(check().text).toBe(digest ?? Object.values(values)[0]);
    expect(check().needs.length).toBeGreaterThan(0);
    expect(check().text).toBe(check().text.trim());
  });

  test('gives what it proved for the right bytes', async () => {
    const evidence = await check().verify(await fetched(archive), testContext());
    expect(evidence).toEqual({ kind, value: check().text });
  });

  test.each([
    ['one bit less', (bytes: Buffer) => Buffer.from(bytes.map((byte, index) => (index === 20 ? byte ^ 1 : byte)))],
    ['one byte more', (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)])],
    ['one byte less', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['nothing', () => Buffer.alloc(0)],
  ])('throws its reason for %s', async (_what, change) => {
    const error = await failureOf(check().verify(await fetched(change(archive)), testContext()));
    expect(error.reason).toBe(reason);
    expect(error.exit).toBe(65);
    expect(error.details).toMatchObject({ expected: expect.any(String), computed: expect.any(String) });
    expect(error.transient).toBeUndefined();
  });
});
