import { describe, expect, test } from 'vitest';
import type { HttpRequest } from '../../../installer/core/context.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import { parseHostList } from '../../../installer/net/host-list.ts';
import { firstHop, locationOf, nextHop } from '../../../installer/net/redirects.ts';
import type { Hop } from '../../../installer/net/redirects.ts';
import { get } from '../../support/http.ts';

const POLICY = { insecureHosts: parseHostList(['plain.example']), allowedPrivate: parseHostList(['10.9.0.0/16']) };

function requestTo(url: string, more: Partial<HttpRequest> = {}): HttpRequest {
  return get(url, {
    headers: { accept: 'application/json', range: 'bytes=1-', 'if-range': '"v1"', 'x-own': 'secret', cookie: 'secret' },
    authorization: 'Bearer secret',
    tls: { cert: 'CERT', key: 'KEY' },
    ...more,
  });
}

function follow(request: HttpRequest, ...locations: readonly string[]): Hop {
  return locations.reduce(
    (hop, location) => nextHop({ hop, status: 302, location }, request, POLICY),
    firstHop(request, POLICY),
  );
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

test('a host that a server named stays guarded when it redirects to itself', () => {
  const request = requestTo('https://named.example/a', { isNamedByServer: true });
  expect(firstHop(request, POLICY).isGuarded).toBe(true);
  expect(follow(request, '/b').isGuarded).toBe(true);
  expect(follow(requestTo('https://own.example/a'), '/b').isGuarded).toBe(false);
});

test('a host that is listed may resolve to any address, whoever named it', () => {
  const policy = { ...POLICY, allowedPrivate: parseHostList(['sidecar.example']) };
  const request = requestTo('https://sidecar.example/a', { isNamedByServer: true });
  expect(firstHop(request, policy).isGuarded).toBe(false);
});

test.each([
  [301, '/x', '/x'],
  [302, '/x', '/x'],
  [303, '/x', '/x'],
  [307, '/x', '/x'],
  [308, '/x', '/x'],
  [200, '/x', undefined],
  [304, '/x', undefined],
  [300, '/x', undefined],
  [302, undefined, undefined],
])('status %d with location %s leads to %s', (status, location, expected) => {
  expect(locationOf(status, location)).toBe(expected);
});

describe('on the same origin', () => {
  test('everything travels', () => {
    const hop = follow(requestTo('https://r.example/a'), '/b?c=d#e');
    expect(hop.url.href).toBe('https://r.example/b?c=d');
    expect(hop).toMatchObject({ authorization: 'Bearer secret', tls: { cert: 'CERT' }, isSameOrigin: true });
    expect(hop.headers['x-own']).toBe('secret');
  });

  test.each(['https://r.example:443/b', 'https://R.EXAMPLE/b', '//r.example/b'])(
    '%s counts as the same',
    (location) => {
      expect(follow(requestTo('https://r.example/a'), location).authorization).toBe('Bearer secret');
    },
  );
});

describe('on another origin', () => {
  test.each([
    'https://r.example:8443/b',
    'https://r.example.evil.org/b',
    'https://x.r.example/b',
    'https://cdn.example/b',
  ])('%s gets neither credentials nor own headers nor the client certificate', (location) => {
    const hop = follow(requestTo('https://r.example/a'), location);
    expect(hop).toMatchObject({ authorization: undefined, tls: undefined, isSameOrigin: false, isGuarded: true });
    expect(hop.headers).toEqual({ accept: 'application/json', range: 'bytes=1-', 'if-range': '"v1"' });
  });

  test('credentials do not come back with a redirect to the first origin', () => {
    const hop = follow(requestTo('https://r.example/a'), 'https://cdn.example/b', 'https://r.example/admin');
    expect(hop).toMatchObject({ authorization: undefined, isSameOrigin: false, isGuarded: false });
    expect(hop.headers['x-own']).toBeUndefined();
  });

  test('http to https of one host is another origin', () => {
    expect(follow(requestTo('http://plain.example/a'), 'https://plain.example/a').authorization).toBeUndefined();
  });

  test('is refused where only the same origin is allowed', () => {
    const request = requestTo('https://r.example/a', { redirects: 'same-origin' });
    expect(refusal(() => follow(request, 'https://cdn.example/b?sig=secret')).details).toMatchObject({
      from: 'https://r.example',
      to: 'https://cdn.example',
    });
    expect(follow(request, '/b').url.href).toBe('https://r.example/b');
  });
});

test.each([
  ['https to http', 'https://r.example/a', 'http://plain.example/b'],
  ['https to http of the same host', 'https://r.example/a', 'http://r.example/a'],
  ['plain http to an unlisted host', 'http://plain.example/a', 'http://cdn.example/b'],
  ['another scheme', 'https://r.example/a', 'ftp://r.example/a'],
  ['a file', 'https://r.example/a', 'file:///etc/passwd'],
  ['data', 'https://r.example/a', 'data:,x'],
  ['a user name', 'https://r.example/a', 'https://user@r.example/a'],
  ['a password', 'https://r.example/a', 'https://:secret@r.example/a'],
  ['something that is no URL', 'https://r.example/a', 'https://[/'],
  ['loopback', 'https://r.example/a', 'https://127.0.0.1/b'],
  ['loopback by name', 'https://r.example/a', 'https://localhost/b'],
  ['link-local metadata', 'https://r.example/a', 'https://169.254.169.254/latest/meta-data'],
  ['a private network', 'https://r.example/a', 'https://10.8.0.1/b'],
  ['IPv6 loopback', 'https://r.example/a', 'https://[::1]/b'],
  ['another port of a private registry', 'https://10.8.0.1:5000/a', 'https://10.8.0.1:5001/b'],
])('refuses a redirect to %s', (_what, from, to) => {
  const error = refusal(() => follow(requestTo(from), to));
  expect(error.reason).toBe('RedirectRefused');
  expect(error.transient).toBeUndefined();
  expect(JSON.stringify([error.message, error.details])).not.toContain('secret');
});

test.each([
  ['the private host and port that was asked', 'https://10.8.0.1:5000/a', 'https://10.8.0.1:5000/b'],
  ['a listed private range', 'https://r.example/a', 'https://10.9.1.1/b'],
  ['a listed insecure host from an insecure one', 'http://plain.example/a', 'http://plain.example:8080/b'],
])('follows a redirect to %s', (_what, from, to) => {
  expect(follow(requestTo(from), to).url.href).toBe(to);
});

test('names the setting that admits a private target', () => {
  const error = refusal(() => follow(requestTo('https://r.example/a'), 'https://10.8.0.1:9000/b'));
  expect(error.details['fix']).toContain('10.8.0.1:9000');
  expect(error.details['fix']).toContain('PORTAL_PLUGINS_ALLOW_PRIVATE_REDIRECTS');
});

test.each([
  [307, true],
  [308, true],
  [301, false],
  [302, false],
  [303, false],
])('a POST answered with %d goes on as a POST: %s', (status, isFollowed) => {
  const request = requestTo('https://r.example/token', { method: 'POST', redirects: 'same-origin' });
  const act = (): Hop => nextHop({ hop: firstHop(request, POLICY), status, location: '/token2' }, request, POLICY);
  if (isFollowed) expect(act().url.pathname).toBe('/token2');
  else expect(refusal(act).reason).toBe('RedirectRefused');
});
