import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { readCaFile, secureContext } from '../../../installer/net/trust.ts';

const dir = mkdtempSync(join(tmpdir(), 'trust-'));
afterAll(() => rmSync(dir, { recursive: true }));

const [FIRST = '', SECOND = ''] = rootCertificates;

function bundle(content: string): string {
  const path = join(dir, `bundle-${Math.random()}.pem`);
  writeFileSync(path, content);
  return path;
}

function refusal(act: () => unknown): InstallError {
  try {
    act();
  } catch (error) {
    if (error instanceof InstallError) return error;
    throw error;
  }
  throw new Error('this should have been refused');
}

describe('a CA bundle', () => {
  test('gives every certificate, whatever stands between them', () => {
    expect(readCaFile(bundle(`# our CA\n${FIRST}\n\n${SECOND}\ntrailing`))).toEqual(
      [FIRST, SECOND].map((pem) => pem.trim()),
    );
  });

  test.each([
    ['is empty', ''],
    ['holds only a key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['holds a damaged certificate', `${FIRST}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`],
  ])('that %s is UsageInvalid and names the file', (_what, content) => {
    const path = bundle(content);
    expect(refusal(() => readCaFile(path))).toMatchObject({ reason: 'UsageInvalid', details: { file: path } });
  });

  test('that does not exist is UsageInvalid', () => {
    expect(refusal(() => readCaFile(join(dir, 'absent.pem'))).reason).toBe('UsageInvalid');
  });
});

describe('the TLS context', () => {
  test('is the shared one of Node when nothing is added', () => {
    expect(secureContext([], undefined)).toBeUndefined();
    expect(secureContext([], { allowUnverified: true })).toBeUndefined();
  });

  test('is an own one when an authority is added', () => {
    expect(secureContext([FIRST], undefined)).toBeDefined();
    expect(secureContext([], { ca: [FIRST] })).toBeDefined();
  });

  test.each([
    ['a certificate without a key', { cert: FIRST }],
    ['a key without a certificate', { key: 'secret' }],
    ['material that cannot be read', { cert: 'secret', key: 'secret' }],
  ])('%s is CredentialsInvalid and never shown', (_what, tls) => {
    const error = refusal(() => secureContext([], tls));
    expect(error.reason).toBe('CredentialsInvalid');
    expect(JSON.stringify([error.message, error.details])).not.toContain('secret');
  });
});
