import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDigest } from '../../../installer/core/integrity.ts';
import type { Check, Digest } from '../../../installer/core/types.ts';
import { checksFor, verifyFetched, VERIFIERS } from '../../../installer/verify/index.ts';
import { digestCheck } from '../../../installer/verify/digest.ts';
import { integrityCheck } from '../../../installer/verify/integrity.ts';
import { verifyTrust } from '../../../installer/verify/trust.ts';
import { testContext } from '../../support/context.ts';
import { testEntry, testReference, testResolved } from '../../support/entries.ts';
import { fetchedScratch, type FetchedScratch } from '../../support/fetched.ts';
import { failureOf } from '../../support/http.ts';
import { npmTarball, sriOf } from '../../support/tarball.ts';
import { thrownBy } from '../../support/thrown.ts';

const archive = npmTarball({ 'package.json': '{}' });
const layer = npmTarball({ 'package.json': '{"layer":2}' });
const strict = testContext();
const lenient = testContext({ options: { requireIntegrity: false } });
const digest = (bytes: Uint8Array): Digest =>
  parseDigest(`sha256:${Buffer.from(sriOf(bytes, 'sha256').slice(7), 'base64').toString('hex')}`) ?? fail();
const fail = (): never => {
  throw new Error('no digest');
};
const MANIFEST = digest(Buffer.from('manifest'));
const local = testReference('file:/opt/todo', { isLocal: true, origin: { scheme: 'file', path: '/opt/todo' } });

let scratch: FetchedScratch;
beforeAll(async () => {
  scratch = await fetchedScratch();
});
afterAll(() => scratch[Symbol.asyncDispose]());

describe('checksFor', () => {
  test('makes a check of each demand, the digest of the reference first', () => {
    const checks = checksFor({ integrity: sriOf(archive), package: 'x' }, { digest: MANIFEST });
    expect(checks.map(({ kind, text, needs }) => [kind, text, needs])).toEqual([
      ['digest', MANIFEST, ['sha256']],
      ['integrity', sriOf(archive), ['sha512']],
    ]);
  });

  test('makes none where nothing is demanded', () => {
    expect(checksFor({}, { digest: undefined })).toEqual([]);
    expect(checksFor({ integrity: undefined }, { digest: undefined })).toEqual([]);
  });

  test.each([[''], ['sha1-x'], [null], [512], [{}], [[sriOf(archive)]]])(
    'never makes none of the value %j',
    (integrity) => {
      expect(thrownBy(() => checksFor({ integrity }, { digest: undefined })).reason).toBe('IntegrityMalformed');
    },
  );

  test('asks for the deciding algorithm alone', () => {
    const [check] = checksFor(
      { integrity: `${sriOf(archive, 'sha256')} ${sriOf(archive, 'sha384')}` },
      { digest: undefined },
    );
    expect(check?.needs).toEqual(['sha384']);
  });
});

describe('verifyFetched', () => {
  test('gives the evidence of every check', async () => {
    const checks = [digestCheck(MANIFEST), integrityCheck(sriOf(archive))];
    const fetched = await scratch.fetched([archive], {
      checks,
      claims: { digest: digest(archive) },
      pinned: { manifestDigest: MANIFEST },
    });
    const verified = await verifyFetched(fetched, strict);
    expect(verified.evidence).toEqual([
      { kind: 'digest', value: MANIFEST },
      { kind: 'integrity', value: sriOf(archive) },
    ]);
    expect(verified.archives).toBe(fetched.archives);
  });

  test('fails when one check of several fails', async () => {
    const checks = [integrityCheck(sriOf(archive)), digestCheck(MANIFEST)];
    const fetched = await scratch.fetched([archive], { checks, pinned: { manifestDigest: digest(layer) } });
    expect((await failureOf(verifyFetched(fetched, strict))).reason).toBe('DigestMismatch');
  });

  test.each([
    [
      'a manifest with another digest',
      { claims: { digest: digest(archive) }, pinned: { manifestDigest: digest(layer) } },
    ],
    ['no manifest at all', { claims: { digest: digest(archive) } }],
    [
      'a layer other than the manifest says',
      { claims: { digest: digest(layer) }, pinned: { manifestDigest: MANIFEST } },
    ],
    ['a layer the manifest says nothing about', { claims: {}, pinned: { manifestDigest: MANIFEST } }],
  ])('does not take %s for the pinned digest', async (_what, options) => {
    const fetched = await scratch.fetched([archive], { ...options, checks: [digestCheck(MANIFEST)] });
    expect((await failureOf(verifyFetched(fetched, strict))).reason).toBe('DigestMismatch');
  });

  test('does not let one hash stand for several archives', async () => {
    const fetched = await scratch.fetched([archive, layer], {
      checks: [integrityCheck(sriOf(archive))],
      pinned: { manifestDigest: MANIFEST },
    });
    const error = await failureOf(verifyFetched(fetched, strict));
    expect(error.reason).toBe('ListInvalid');
    expect(error.fix).toContain(`@${MANIFEST}`);
  });

  test('takes the record of the registry only where the list may pin nothing', async () => {
    const fetched = await scratch.fetched([archive], { claims: { integrity: sriOf(archive) } });
    expect((await verifyFetched(fetched, lenient)).evidence).toEqual([
      { kind: 'registry-record', value: sriOf(archive) },
    ]);
    expect((await failureOf(verifyFetched(fetched, strict))).reason).toBe('IntegrityUnavailable');
  });

  test('demands the record of every layer', async () => {
    const fetched = await scratch.fetched([archive, layer], { claims: { digest: digest(archive) } });
    expect((await failureOf(verifyFetched(fetched, lenient))).reason).toBe('DigestMismatch');
  });

  test('hashes again for a record in an algorithm that nobody asked for', async () => {
    const fetched = await scratch.fetched([archive], { claims: { integrity: sriOf(archive, 'sha384') } });
    expect((await verifyFetched(fetched, lenient)).evidence[0]?.value).toBe(sriOf(archive, 'sha384'));
  });

  test('does not call a record a pin when the download differs from it', async () => {
    const fetched = await scratch.fetched([archive], { claims: { integrity: sriOf(layer) } });
    const error = await failureOf(verifyFetched(fetched, lenient));
    expect(error.reason).toBe('IntegrityMismatch');
    expect(error.details['evidence']).toBe('record-is-demanded');
    expect(error.fix).not.toContain('plugins[3].integrity');
  });

  test('offers the computed value where nobody states one', async () => {
    const fetched = await scratch.fetched([archive]);
    const error = await failureOf(verifyFetched(fetched, lenient));
    expect(error.reason).toBe('IntegrityUnavailable');
    expect(error.details['computed']).toBe(sriOf(archive));
    expect(error.fix).toContain(`plugins[3].integrity to ${sriOf(archive)}`);
  });

  test.each([['<html>Sign in</html>'], ['{"error":"unauthorized"}'], ['not found']])(
    'offers no pin for the page %j',
    async (page) => {
      const error = await failureOf(verifyFetched(await scratch.fetched([Buffer.from(page)]), lenient));
      expect(error.reason).toBe('UnexpectedContent');
      expect(JSON.stringify(error.details)).not.toContain('sha512-');
    },
  );

  test('needs no pin for what is part of the image, but holds it to one that is there', async () => {
    const unpinned = await scratch.fetched([archive], { entry: { reference: local } });
    expect((await verifyFetched(unpinned, strict)).evidence).toEqual([]);
    const pinned = await scratch.fetched([archive], {
      entry: { reference: local },
      checks: [integrityCheck(sriOf(layer))],
    });
    expect((await failureOf(verifyFetched(pinned, strict))).reason).toBe('IntegrityMismatch');
  });

  test('never passes without an archive', async () => {
    const entry = testEntry(0, { checks: [digestCheck(MANIFEST)], reference: local });
    const fetched = { ...testResolved(entry, { manifestDigest: MANIFEST }), archives: [] };
    expect((await failureOf(verifyFetched(fetched, lenient))).reason).toBe('Internal');
    await expect(digestCheck(MANIFEST).verify(fetched, lenient)).rejects.toMatchObject({ reason: 'Internal' });
  });

  test('stops at the first check that throws, whatever it throws', async () => {
    const broken: Check = { kind: 'broken', text: '', needs: [], verify: () => Promise.reject(new TypeError('a bug')) };
    const fetched = await scratch.fetched([archive], { checks: [broken] });
    await expect(verifyFetched(fetched, strict)).rejects.toThrow(TypeError);
  });
});

test('the schema of every verifier narrows what the chart accepts', () => {
  for (const { key, schema } of VERIFIERS) {
    expect(key).toMatch(/^[a-z][A-Za-z]*$/);
    const pattern = new RegExp(String(schema.meta()?.['pattern']));
    for (const good of [
      sriOf(archive),
      ` ${sriOf(archive, 'sha256')}\n${sriOf(archive, 'sha384')} `,
      `sha512:${'aF'.repeat(64)}`,
    ]) {
      expect(good).toMatch(pattern);
    }
    for (const bad of [
      '',
      'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=',
      sriOf(archive).slice(0, -1),
      `${sriOf(archive)}?opt`,
      'md5-x',
    ]) {
      expect(bad).not.toMatch(pattern);
    }
  }
});

test('trust is a seam that says off', async () => {
  expect(await verifyTrust(testResolved(testEntry(0)))).toEqual({ verdict: 'off' });
});
