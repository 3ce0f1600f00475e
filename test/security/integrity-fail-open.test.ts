/**
 * `ssri` passes unverified what it does not understand: empty, malformed and unknown values, sha1, md5, options. Here each of them is
 * refused before any network access, and nothing without a proof gets through verification.
 */
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import ssri from 'ssri';
import type { Check, Claims } from '../../installer/core/types.ts';
import { checksFor, verifyFetched } from '../../installer/verify/index.ts';
import { testContext } from '../support/context.ts';
import { fetchedScratch, type FetchedScratch } from '../support/fetched.ts';
import { failureOf } from '../support/http.ts';
import { npmTarball, sriOf } from '../support/tarball.ts';
import { thrownBy } from '../support/thrown.ts';

const wanted = npmTarball({ 'package.json': '{"name":"wanted"}' });
const evil = npmTarball({ 'package.json': '{"name":"evil"}' });
const sha1 = `sha1-${createHash('sha1').update(evil).digest('base64')}`;
const md5 = `md5-${createHash('md5').update(evil).digest('base64')}`;

let scratch: FetchedScratch;
beforeAll(async () => {
  scratch = await fetchedScratch();
});
afterAll(() => scratch[Symbol.asyncDispose]());

/** True when ssri's stream ends without an error although the bytes are not the wanted ones. */
async function passesSsri(integrity: string): Promise<boolean> {
  const source = new PassThrough();
  const stream = source.pipe(ssri.integrityStream({ integrity }));
  stream.resume();
  const ended = new Promise<boolean>((resolve) => {
    stream.on('end', () => resolve(true));
    stream.on('error', () => resolve(false));
  });
  source.end(evil);
  return ended;
}

describe('what ssri lets pass', () => {
  test.each([
    ['nothing', ''],
    ['blanks', '   '],
    ['an unknown algorithm', 'sha999-AAAA'],
    ['no algorithm', 'AAAA'],
    ['an algorithm without a value', 'sha512-'],
    ['a sha1 of the evil bytes', sha1],
    ['an md5 of the evil bytes', md5],
    ['a word', 'undefined'],
  ])('%s is refused', async (_what, integrity) => {
    expect(await passesSsri(integrity)).toBe(true);
    const error = thrownBy(() => checksFor({ integrity }, { digest: undefined }));
    expect(error.reason).toBe('IntegrityMalformed');
    expect(error.exit).toBe(78);
  });
});

describe('a pin', () => {
  const good = sriOf(wanted);
  test.each([
    ['cut by one character', good.slice(0, -1)],
    ['without padding', good.replace(/=+$/, '')],
    ['in base64url', `sha512-${Buffer.alloc(64, 0xff).toString('base64url')}==`],
    ['with bits beyond the digest', `${good.slice(0, -3)}${good.at(-3) === 'Q' ? 'R' : 'B'}==`],
    ['with an option', `${good}?sha1`],
    ['in capitals', good.replace('sha512', 'SHA512')],
    ['beside a sha1', `${good} ${sha1}`],
    ['beside rubbish', `${good} rubbish`],
    ['nine times', Array.from({ length: 9 }, () => good).join(' ')],
    ['with a non-breaking space', `${good}\u00a0${good}`],
    ['as Butler writes it, one digit short', `sha512:${'a'.repeat(127)}`],
    ['as an OCI digest', `sha256:${'a'.repeat(64)}`],
  ])('%s is refused', (_what, integrity) => {
    expect(thrownBy(() => checksFor({ integrity }, { digest: undefined })).reason).toBe('IntegrityMalformed');
  });

  test('whose weak value matches and whose strong one does not is a mismatch', async () => {
    const integrity = `${sriOf(evil, 'sha256')} ${good}`;
    const checks = checksFor({ integrity }, { digest: undefined });
    const fetched = await scratch.fetched([evil], { checks });
    expect((await failureOf(verifyFetched(fetched, testContext()))).reason).toBe('IntegrityMismatch');
  });

  test.each(['sha256', 'sha384', 'sha512'] as const)('in %s holds', async (algorithm) => {
    const checks = checksFor({ integrity: sriOf(wanted, algorithm) }, { digest: undefined });
    const right = await scratch.fetched([wanted], { checks });
    expect((await verifyFetched(right, testContext())).evidence).toHaveLength(1);
    const wrong = await scratch.fetched([evil], { checks });
    expect((await failureOf(verifyFetched(wrong, testContext()))).reason).toBe('IntegrityMismatch');
  });
});

describe('nothing', () => {
  test.each<[string, Claims, boolean, string]>([
    ['without a pin', {}, true, 'IntegrityUnavailable'],
    [
      'without a pin, though the registry states one, unless the list says that is enough',
      { integrity: sriOf(evil) },
      true,
      'IntegrityUnavailable',
    ],
    ['that nobody vouches for, though the list pins nothing', {}, false, 'IntegrityUnavailable'],
    ['whose size alone is right', { bytes: evil.length }, false, 'IntegrityUnavailable'],
    ['that differs from the record of the registry', { integrity: sriOf(wanted) }, false, 'IntegrityMismatch'],
  ])('%s passes', async (_what, claims, requireIntegrity, reason) => {
    const fetched = await scratch.fetched([evil], { claims });
    const ctx = testContext({ options: { requireIntegrity } });
    expect((await failureOf(verifyFetched(fetched, ctx))).reason).toBe(reason);
  });

  test('passes on the word of one check when another fails', async () => {
    const checks: readonly Check[] = [
      ...checksFor({ integrity: sriOf(evil) }, { digest: undefined }),
      ...checksFor({ integrity: sriOf(wanted) }, { digest: undefined }),
    ];
    for (const order of [checks, checks.toReversed()]) {
      const fetched = await scratch.fetched([evil], { checks: order });
      expect((await failureOf(verifyFetched(fetched, testContext()))).reason).toBe('IntegrityMismatch');
    }
  });
});
