/** What every Source promises, held against `oci` (docs/architecture.md, "Extension points"). */
import { describe, expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import type { Http } from '../../installer/core/context.ts';
import { ociSource } from '../../installer/sources/oci.ts';
import { testContext } from '../support/context.ts';
import { failureOf } from '../support/http.ts';
import { ociEntry } from '../support/oci-context.ts';
import { scriptedHttp } from '../support/scripted-http.ts';

const parseContext = { npmRegistry: () => new URL('https://registry.example/'), isInsecureHost: () => false, cwd: '/' };
const digest = `sha256:${'a1'.repeat(32)}`;
const accepted = [
  'oci://ghcr.io/acme/todo:1.4.2',
  'oci://ghcr.io/acme/todo',
  `oci://localhost:5000/todo@${digest}`,
  `oci://[::1]:5000/a/b:1@${digest}!plugins/todo`,
];

test.each(['npm:x@1', '@acme/x', 'https://host/x.tgz', 'http://host/x.tgz', './dir', 'file:x.tgz', 'ocix://a/b', ''])(
  '%j is not its own',
  (text) => {
    expect(ociSource.parse(text, parseContext)).toBeUndefined();
  },
);

test.each(['oci://', 'oci:x', 'OCI://ghcr.io/a:1', 'oci://u:p@ghcr.io/a:1'])('%j is its own and malformed', (text) => {
  expect(() => ociSource.parse(text, parseContext)).toThrow(expect.objectContaining({ reason: 'ReferenceInvalid' }));
});

describe.each(accepted)('%s', (text) => {
  test('has a canonical text that parses to an equal reference', () => {
    const reference = ociSource.parse(text, parseContext);
    const again = ociSource.parse(reference?.text ?? '', parseContext);
    expect({ ...again, resolve: null }).toEqual({ ...reference, resolve: null });
  });

  test('is remote, so it falls under allowedSources and requireIntegrity', () => {
    expect(ociSource.parse(text, parseContext)).toMatchObject({
      kind: 'oci',
      isLocal: false,
      origin: { scheme: 'oci' },
    });
  });

  test('has an identity without tag and digest', () => {
    const identity = ociSource.parse(text, parseContext)?.identity ?? '';
    expect(identity).not.toContain('@sha256');
    expect(ociSource.parse(identity, parseContext)?.identity).toBe(identity);
  });
});

test('parsing touches no network, and resolving retries metadata through ctx.http only', async () => {
  let retries = 0;
  const down = new InstallError('RegistryUnavailable', 'down', { transient: { code: '503' } });
  const scripted = scriptedHttp(() => down);
  const http: Http = { ...scripted, retry: async (attempt) => attempt((retries += 1)) };
  const entry = ociEntry('oci://r.example/acme/todo:1');
  await expect(entry.reference.resolve(entry, testContext({ http }))).rejects.toBe(down);
  expect([retries, scripted.requests.length]).toEqual([1, 1]);
});

test('opening a part is one attempt that never retries', async () => {
  const layer = { mediaType: 'application/gzip', digest, size: 5 };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const body = JSON.stringify({ schemaVersion: 2, mediaType, config: { ...layer, mediaType: 'x/y' }, layers: [layer] });
  const reset = new InstallError('RegistryUnavailable', 'reset', { transient: { code: 'ECONNRESET' } });
  const scripted = scriptedHttp(({ url }) =>
    url.pathname.includes('/blobs/') ? reset : { status: 200, body, headers: { 'content-type': mediaType } },
  );
  const entry = ociEntry('oci://r.example/acme/todo:1');
  const { parts } = await entry.reference.resolve(entry, testContext({ http: scripted }));
  const http: Http = { ...scripted, retry: async () => Promise.reject(new Error('a part must not retry')) };
  const before = scripted.requests.length;
  const failure = await failureOf(
    Promise.resolve(parts[0]?.open(testContext({ http }), { offset: 0, validator: undefined })),
  );
  expect(failure).toBe(reset);
  expect(scripted.requests.length - before).toBe(1);
});

test('an aborted run stops resolving with the reason of its signal', async () => {
  const controller = new AbortController();
  controller.abort(new InstallError('Terminated', 'stop'));
  const http = scriptedHttp(() => ({ status: 200 }));
  const entry = ociEntry('oci://r.example/acme/todo:1');
  const failure = await failureOf(entry.reference.resolve(entry, testContext({ http, signal: controller.signal })));
  expect(failure.reason).toBe('Terminated');
  expect(http.requests).toHaveLength(0);
});
