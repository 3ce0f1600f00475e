import { describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { answerText, isThrownStatus, requestError, statusError } from '../../../installer/net/http-errors.ts';

const URL_WITH_SECRET = new URL('https://user:pw@r.example/a/b?token=secret');

const coded = (code: string, message = 'text'): Error => Object.assign(new Error(message), { code });

const failing = (status: number, retryAfterMs?: number): InstallError =>
  statusError({ url: URL_WITH_SECRET, status, retryAfterMs, body: Buffer.from('down\n for  maintenance') });

describe('a fault below HTTP', () => {
  test.each([
    ['ECONNREFUSED', 'RegistryUnavailable', 'ECONNREFUSED'],
    ['ECONNRESET', 'RegistryUnavailable', 'ECONNRESET'],
    ['ETIMEDOUT', 'RegistryUnavailable', 'ETIMEDOUT'],
    ['EPIPE', 'RegistryUnavailable', 'EPIPE'],
    ['EHOSTUNREACH', 'RegistryUnavailable', 'EHOSTUNREACH'],
    ['ENETUNREACH', 'RegistryUnavailable', 'ENETUNREACH'],
    ['ENETRESET', 'RegistryUnavailable', 'ENETRESET'],
    ['EPERM', 'RegistryUnavailable', 'EPERM'],
    ['EACCES', 'RegistryUnavailable', 'EACCES'],
    ['EMFILE', 'RegistryUnavailable', 'EMFILE'],
    ['UND_ERR_CONNECT_TIMEOUT', 'RegistryUnavailable', 'connect_timeout'],
    ['UND_ERR_HEADERS_TIMEOUT', 'RegistryUnavailable', 'headers_timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'RegistryUnavailable', 'body_idle_timeout'],
    ['UND_ERR_SOCKET', 'RegistryUnavailable', 'connection_closed'],
    ['HPE_INVALID_CONSTANT', 'RegistryUnavailable', 'HPE_INVALID_CONSTANT'],
    ['EAI_AGAIN', 'DnsFailed', 'EAI_AGAIN'],
  ])('%s is %s and transient with code %s', (code, reason, transient) => {
    const error = requestError(coded(code), URL_WITH_SECRET);
    expect(error).toMatchObject({ reason, transient: { code: transient } });
    expect(error.details['url']).toBe('https://r.example/a/b?…');
  });

  test.each([
    ['ENOTFOUND', 'DnsFailed'],
    ['EAI_FAIL', 'DnsFailed'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'TlsFailed'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'TlsFailed'],
    ['CERT_HAS_EXPIRED', 'TlsFailed'],
    ['UNSPECIFIED', 'TlsFailed'],
    ['ERR_TLS_CERT_ALTNAME_FORMAT', 'TlsFailed'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TlsFailed'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'TlsFailed'],
    ['EPROTO', 'TlsFailed'],
    ['UND_ERR_HEADERS_OVERFLOW', 'RegistryUnavailable'],
    ['UND_ERR_INVALID_ARG', 'Internal'],
  ])('%s is %s and not transient', (code, reason) => {
    const error = requestError(coded(code), URL_WITH_SECRET);
    expect(error.reason).toBe(reason);
    expect(error.transient).toBeUndefined();
  });

  test.each([
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'PORTAL_PLUGINS_CA_FILE'],
    ['CERT_HAS_EXPIRED', 'renew'],
    ['CERT_NOT_YET_VALID', 'clock'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'name'],
    ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'PORTAL_PLUGINS_INSECURE_HOSTS'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'client certificate'],
  ])('%s has a fix of its own that speaks of %s', (code, word) => {
    expect(requestError(coded(code), URL_WITH_SECRET).details['fix']).toContain(word);
  });

  test('the code is found in the attempts of several addresses', () => {
    const error = requestError(new AggregateError([coded('EINVAL'), coded('ECONNREFUSED')]), URL_WITH_SECRET);
    expect(error.transient?.code).toBe('ECONNREFUSED');
  });

  test('the code is found in the cause', () => {
    const cause = coded('CERT_HAS_EXPIRED');
    const error = requestError(new Error('through a proxy', { cause }), URL_WITH_SECRET);
    expect(error.reason).toBe('TlsFailed');
  });

  test('a cycle of causes ends', () => {
    const error: Error & { cause?: unknown } = new Error('round');
    error.cause = error;
    expect(requestError(error, URL_WITH_SECRET).reason).toBe('Internal');
  });

  test('an InstallError stays what it is', () => {
    const error = new InstallError('ProxyFailed', 'x');
    expect(requestError(error, URL_WITH_SECRET)).toBe(error);
  });
});

describe('a status', () => {
  test.each([408, 425, 429, 500, 501, 502, 503, 504, 505])('%d is thrown', (status) => {
    expect(isThrownStatus(status)).toBe(true);
  });
  test.each([200, 206, 302, 400, 401, 403, 404, 407, 410, 416, 451])('%d is an answer', (status) => {
    expect(isThrownStatus(status)).toBe(false);
  });

  test('429 is RateLimited and carries the wait asked for', () => {
    expect(failing(429, 7000)).toMatchObject({ reason: 'RateLimited', transient: { code: '429', retryAfterMs: 7000 } });
  });

  test('503 is RegistryUnavailable and tells what the server said, on one line', () => {
    expect(failing(503)).toMatchObject({
      reason: 'RegistryUnavailable',
      transient: { code: '503' },
      details: { status: 503, url: 'https://r.example/a/b?…', answer: 'down for maintenance' },
    });
  });

  test.each([501, 505])('%d is not worth another attempt', (status) => {
    expect(failing(status)).toMatchObject({ reason: 'RegistryUnavailable', transient: undefined });
  });
});

test.each([
  ['{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}', 'DENIED: no; X'],
  ['{"errors":[]}', ''],
  ['{"errors":"no"}', '{"errors":"no"}'],
  ['{"errors":[null,{"code":1,"message":"m"}]}', 'm'],
  ['  plain\ttext\u0007 ', 'plain text\\u0007'],
  ['GET /v2/ authorization: Bearer eyJhbGciOi.x-_~+/== accept: */*', 'GET /v2/ authorization: Bearer … accept: */*'],
  ['{"errors":[{"code":"X","message":"bad header Basic dXNlcjpwdw=="}]}', 'X: bad header Basic …'],
  ['', ''],
])('shows the error body %j as %j', (body, expected) => {
  expect(answerText(Buffer.from(body))).toBe(expected);
});

test('shows no more than 200 characters of an error body', () => {
  expect(answerText(Buffer.from('x'.repeat(5000)))).toHaveLength(200);
});
