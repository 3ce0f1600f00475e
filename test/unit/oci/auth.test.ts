import { describe, expect, test } from 'vitest';
import type { HttpRequest, OciCredential } from '../../../installer/core/context.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import { Authorizer } from '../../../installer/oci/auth.ts';
import { instantClock, type TestClock } from '../../support/clock.ts';
import { testContext } from '../../support/context.ts';
import { failureOf } from '../../support/http.ts';
import { basicCredential, credentialsOf } from '../../support/oci-context.ts';
import { scriptedHttp, type Script, type ScriptedAnswer, type ScriptedHttp } from '../../support/scripted-http.ts';

const target = { registry: 'r.example', repository: 'acme/todo' };
const BEARER = 'Bearer realm="https://auth.example/token?x=1",service="svc",scope="repository:acme/todo:pull,push"';
const BASIC = 'Basic realm="r"';
const signal = new AbortController().signal;
const request = { path: '/v2/acme/todo/manifests/1', headers: { accept: 'x' }, signal };

interface Setup {
  readonly http: ScriptedHttp;
  readonly clock: TestClock;
  readonly get: (repository?: string) => Promise<number>;
}

function setUp(script: Script, credentials: readonly OciCredential[] = [], anonymousFallback = false): Setup {
  const http = scriptedHttp(script);
  const clock = instantClock();
  const ctx = testContext({ http, clock, credentials: credentialsOf(credentials), options: { anonymousFallback } });
  const authorizer = new Authorizer(ctx);
  return {
    http,
    clock,
    get: async (repository = target.repository) => {
      const response = await authorizer.get({ ...target, repository }, request);
      await response.discard();
      return response.status;
    },
  };
}

const refuse = (...challenges: string[]): ScriptedAnswer => ({
  status: 401,
  headers: { 'www-authenticate': challenges },
});
const isToken = ({ url }: HttpRequest): boolean => url.hostname === 'auth.example';
const token = (value = 'tkn', more: Readonly<Record<string, unknown>> = {}): ScriptedAnswer => ({
  status: 200,
  body: JSON.stringify({ token: value, ...more }),
});
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** A registry that wants `accepted` in Authorization and hands out `answer` at its token service. */
function registry(accepted: string, challenge = BEARER, answer: Script = () => token()): Script {
  return (request) => {
    if (isToken(request)) return answer(request);
    return request.authorization === accepted ? { status: 200 } : refuse(challenge);
  };
}

/** Hands tokens to nobody in particular, and refuses every user. */
const anonymousOk: Script = (request) => {
  if (isToken(request)) return request.authorization === undefined ? token() : { status: 401 };
  return request.authorization === 'Bearer tkn' ? { status: 200 } : refuse(BEARER);
};

describe('the first request', () => {
  test('is the one we need, without a credential, and nothing is pinged', async () => {
    const { http, get } = setUp(() => ({ status: 200 }), [basicCredential('u', 'p')]);
    expect(await get()).toBe(200);
    expect(http.requests.map(({ url, authorization }) => [url.href, authorization])).toEqual([
      ['https://r.example/v2/acme/todo/manifests/1', undefined],
    ]);
  });

  test('goes to the API host of Docker Hub', async () => {
    const http = scriptedHttp(() => ({ status: 200 }));
    await new Authorizer(testContext({ http })).get({ registry: 'docker.io', repository: 'library/busybox' }, request);
    expect(http.requests[0]?.url.host).toBe('registry-1.docker.io');
  });

  test('goes over plain http only to a registry listed as insecure', async () => {
    const http = scriptedHttp(() => ({ status: 200 }));
    const options = { isInsecureHost: (host: string): boolean => host === 'r.example' };
    await new Authorizer(testContext({ http, options })).get(target, request);
    expect(http.requests[0]?.url.origin).toBe('http://r.example');
  });

  test.each([200, 206, 304, 404, 416])('returns a %i as it is', async (status) => {
    const { get } = setUp(() => ({ status }));
    expect(await get()).toBe(status);
  });
});

describe('a Bearer challenge', () => {
  test('is answered with service, pull scope and the query of the realm', async () => {
    const { http, get } = setUp(registry('Bearer tkn'));
    expect(await get()).toBe(200);
    const asked = http.requests.find(isToken);
    expect(Object.fromEntries(asked?.url.searchParams ?? [])).toEqual({
      x: '1',
      service: 'svc',
      scope: 'repository:acme/todo:pull',
    });
    expect(asked).toMatchObject({ method: 'GET', redirects: 'same-origin' });
    expect(asked?.authorization).toBeUndefined();
  });

  test('without a scope is answered with pull on this repository', async () => {
    const { http, get } = setUp(registry('Bearer tkn', 'Bearer realm="https://auth.example/token"'));
    await get();
    expect(http.requests.find(isToken)?.url.search).toBe('?scope=repository%3Aacme%2Ftodo%3Apull');
  });

  test('gives user and password to the token service only, with the account', async () => {
    const { http, get } = setUp(registry('Bearer tkn'), [basicCredential('u', 'p:w')]);
    expect(await get()).toBe(200);
    const asked = http.requests.find(isToken);
    expect(asked?.authorization).toBe(basic('u', 'p:w'));
    expect(asked?.url.searchParams.get('account')).toBe('u');
    expect(http.requests.filter((one) => !isToken(one)).map(({ authorization }) => authorization)).toEqual([
      undefined,
      'Bearer tkn',
    ]);
  });

  test('sends an identity token as a refresh token', async () => {
    const credential: OciCredential = { kind: 'identity-token', token: 'refresh-me', label: 'a:b' };
    const { http, get } = setUp(registry('Bearer tkn'), [credential]);
    expect(await get()).toBe(200);
    const asked = http.requests.find(isToken);
    expect(asked).toMatchObject({ method: 'POST', redirects: 'same-origin' });
    expect(asked?.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
      grant_type: 'refresh_token',
      service: 'svc',
      client_id: 'portal-plugin-installer',
      scope: 'repository:acme/todo:pull',
      refresh_token: 'refresh-me',
    });
  });

  test.each([404, 405])('falls back to Basic <token> when the token service answers a POST with %i', async (status) => {
    const credential: OciCredential = { kind: 'identity-token', token: 'refresh-me', label: 'a:b' };
    const { http, get } = setUp(
      registry('Bearer tkn', BEARER, ({ method }) => (method === 'POST' ? { status } : token())),
      [credential],
    );
    expect(await get()).toBe(200);
    expect(http.requests.filter(isToken).at(-1)?.authorization).toBe(basic('<token>', 'refresh-me'));
  });

  test('sends a registry token at once, and never to a token service', async () => {
    const credential: OciCredential = { kind: 'registry-token', token: 'ready', label: 'a:b' };
    const { http, get } = setUp(registry('Bearer other'), [credential]);
    await expect(get()).rejects.toMatchObject({ reason: 'AuthRefused' });
    expect(http.requests.map(({ authorization }) => authorization)).toEqual(['Bearer ready']);
  });

  test('prefers access_token to token', async () => {
    const { get } = setUp(registry('Bearer better', BEARER, () => token('worse', { access_token: 'better' })));
    expect(await get()).toBe(200);
  });

  test('asks for one token for several requests, also at the same time', async () => {
    const { http, get } = setUp(registry('Bearer tkn'));
    await Promise.all([get(), get()]);
    await get();
    expect(http.requests.filter(isToken)).toHaveLength(1);
  });

  test('asks for a token of its own for another repository', async () => {
    const script = registry('Bearer tkn', 'Bearer realm="https://auth.example/token"');
    const { http, get } = setUp(script);
    await get('acme/todo');
    await get('acme/other');
    expect(http.requests.filter(isToken).map(({ url }) => url.searchParams.get('scope'))).toEqual([
      'repository:acme/todo:pull',
      'repository:acme/other:pull',
    ]);
  });

  test.each([
    ['stated', { expires_in: 300 }, 290_000],
    ['not stated', {}, 50_000],
    ['not a number', { expires_in: 'soon' }, 50_000],
    ['negative', { expires_in: -5 }, 50_000],
  ])('a token whose lifetime is %s is renewed 10 s before its end', async (_name, more, lifetimeMs) => {
    const { http, clock, get } = setUp(registry('Bearer tkn', BEARER, () => token('tkn', more)));
    await get();
    clock.advance(lifetimeMs - 1);
    await get();
    expect(http.requests.filter(isToken)).toHaveLength(1);
    clock.advance(2);
    await get();
    expect(http.requests.filter(isToken)).toHaveLength(2);
  });

  test('a token that the registry no longer takes is renewed once', async () => {
    let current = 'first';
    const { http, get } = setUp((request) => {
      if (isToken(request)) return token(current);
      return request.authorization === `Bearer ${current}` ? { status: 200 } : refuse(BEARER);
    });
    await get();
    current = 'second';
    expect(await get()).toBe(200);
    expect(http.requests.filter(isToken)).toHaveLength(2);
  });

  test('a registry that refuses every token is asked no more than three times', async () => {
    const { http, get } = setUp((request) => (isToken(request) ? token() : refuse(BEARER)));
    await expect(get()).rejects.toMatchObject({ reason: 'AuthRefused', details: { status: 401 } });
    expect(http.requests.filter((one) => !isToken(one))).toHaveLength(3);
    expect(http.requests.filter(isToken)).toHaveLength(2);
  });

  test.each([
    ['no JSON', '<html>'],
    ['no token', '{}'],
    ['an empty token', '{"token":""}'],
    ['a token with a line break', JSON.stringify({ token: 'a\r\nX-Evil: 1' })],
    ['a token that is no text', '{"token":7}'],
    ['null', 'null'],
  ])('an answer of the token service with %s refuses the candidate', async (_name, body) => {
    const { http, get } = setUp(registry('Bearer tkn', BEARER, () => ({ status: 200, body })));
    await expect(get()).rejects.toMatchObject({ reason: 'AuthRefused' });
    expect(http.requests.filter((one) => !isToken(one))).toHaveLength(1);
    expect(http.open()).toBe(0);
  });

  test('an answer of the token service over a mebibyte is refused', async () => {
    const { get } = setUp(registry('Bearer tkn', BEARER, () => token('x'.repeat(1024 * 1024))));
    await expect(get()).rejects.toMatchObject({ reason: 'AuthRefused' });
  });

  test('a token service that is down is a transient failure of the registry', async () => {
    const down = new InstallError('RegistryUnavailable', 'down', { transient: { code: '503' } });
    const { get } = setUp(registry('Bearer tkn', BEARER, () => down));
    await expect(get()).rejects.toBe(down);
  });

  test('with a realm that is refused and no Basic beside it is RealmRefused', async () => {
    const { http, get } = setUp(() => refuse('Bearer realm="http://auth.example/token"'));
    await expect(get()).rejects.toMatchObject({ reason: 'RealmRefused' });
    expect(http.requests).toHaveLength(1);
    expect(http.open()).toBe(0);
  });

  test('with a realm that is refused falls back to the Basic beside it', async () => {
    const accepted = basic('u', 'p');
    const { get } = setUp(registry(accepted, `Bearer realm="http://auth.example/token", ${BASIC}`), [
      basicCredential('u', 'p'),
    ]);
    expect(await get()).toBe(200);
  });
});

describe('a Basic challenge', () => {
  test('is answered with user and password, from the second request on at once', async () => {
    const { http, get } = setUp(registry(basic('u', 'pä'), BASIC), [basicCredential('u', 'pä')]);
    await get();
    await get();
    expect(http.requests.map(({ authorization }) => authorization)).toEqual([
      undefined,
      basic('u', 'pä'),
      basic('u', 'pä'),
    ]);
  });

  test('after two refused tokens (Harbor) is answered once', async () => {
    const { http, get } = setUp(
      (request) => {
        if (isToken(request)) return token();
        if (request.authorization === undefined) return refuse(BEARER);
        return request.authorization === basic('u', 'p') ? { status: 200 } : refuse(BASIC);
      },
      [basicCredential('u', 'p')],
    );
    expect(await get()).toBe(200);
    expect(http.requests.at(-1)?.authorization).toBe(basic('u', 'p'));
  });

  test('cannot be answered without a user, or with an identity token', async () => {
    for (const credentials of [[], [{ kind: 'identity-token', token: 't', label: 'a:b' } as const]]) {
      const { http, get } = setUp(() => refuse(BASIC), credentials);
      await expect(get()).rejects.toMatchObject({ reason: 'AuthRefused' });
      expect(http.requests).toHaveLength(1);
    }
  });
});

describe('candidates', () => {
  const first = basicCredential('one', '1', 'a.json:r.example/acme');
  const second = basicCredential('two', '2', 'b.json:r.example');

  test.each([
    [
      'at the token service',
      (request: HttpRequest): ScriptedAnswer =>
        request.authorization === basic('two', '2') ? token() : { status: 401 },
    ],
    [
      'at the token service with 403',
      (request: HttpRequest): ScriptedAnswer =>
        request.authorization === basic('two', '2') ? token() : { status: 403 },
    ],
    [
      'at the registry',
      (request: HttpRequest): ScriptedAnswer => token(request.authorization === basic('two', '2') ? 'tkn' : 'bad'),
    ],
  ])('the second is tried when the first is refused %s, and used from then on', async (_name, answer) => {
    const { http, get } = setUp(registry('Bearer tkn', BEARER, answer), [first, second]);
    expect(await get()).toBe(200);
    const before = http.requests.length;
    expect(await get()).toBe(200);
    expect(http.requests.slice(before).map(({ authorization }) => authorization)).toEqual(['Bearer tkn']);
  });

  test('a 403 from the registry is the last word on a credential', async () => {
    const { http, get } = setUp(
      ({ authorization }) => {
        if (authorization === undefined) return refuse(BASIC);
        return authorization === basic('two', '2') ? { status: 200 } : { status: 403 };
      },
      [first, second],
    );
    expect(await get()).toBe(200);
    expect(http.requests.map(({ authorization }) => authorization)).toEqual([
      undefined,
      basic('one', '1'),
      basic('two', '2'),
    ]);
  });

  test('all refused: the failure names each file and key with its status, and no secret', async () => {
    const { get, http } = setUp(
      registry('Bearer tkn', BEARER, () => ({
        status: 401,
        body: '{"errors":[{"code":"UNAUTHORIZED","message":"nope"}]}',
      })),
      [
        basicCredential('one', 's3cret1', 'a.json:r.example/acme'),
        basicCredential('two', 's3cret2', 'b.json:r.example'),
      ],
    );
    const failure = await failureOf(get());
    expect(failure.reason).toBe('AuthRefused');
    expect(failure.details['tried']).toEqual([
      expect.stringMatching(/^a\.json:r\.example\/acme: 401 .*UNAUTHORIZED: nope/),
      expect.stringMatching(/^b\.json:r\.example: 401/),
    ]);
    expect(JSON.stringify([failure.message, failure.details])).not.toMatch(/s3cret/);
    expect(http.open()).toBe(0);
  });

  test('a refused credential does not become an anonymous request', async () => {
    await expect(setUp(anonymousOk, [first]).get()).rejects.toMatchObject({ reason: 'AuthRefused' });
    expect(await setUp(anonymousOk, [first], true).get()).toBe(200);
  });

  test('a repository that refuses without a challenge does not blame a credential that was never sent', async () => {
    const { http, get } = setUp(() => ({ status: 403 }), [first]);
    const failure = await failureOf(get());
    expect(failure).toMatchObject({ reason: 'AuthRefused', details: { status: 403 } });
    expect(failure.details['tried']).toEqual([expect.stringContaining('not sent')]);
    expect(http.requests).toHaveLength(1);
  });

  test.each([
    ['ghcr.io', basicCredential('u', 'p'), 'read:packages'],
    ['123456789012.dkr.ecr.eu-west-1.amazonaws.com', basicCredential('AWS', 'p'), '12 hours'],
    ['harbor.example', basicCredential('robot', 'p'), '$'],
  ])('%s refusing a credential brings the hint that helps there', async (registry, credential, hint) => {
    const http = scriptedHttp(() => refuse(BASIC));
    const authorizer = new Authorizer(testContext({ http, credentials: credentialsOf([credential]) }));
    const failure = await failureOf(authorizer.get({ registry, repository: 'a' }, request));
    expect(failure.fix).toContain(hint);
  });
});

test.each([401, 403])('a %i from a redirect target is an error and brings no credential there', async (status) => {
  const { http, get } = setUp(
    () => ({
      status,
      from: 'https://storage.example/blob?X-Amz-Signature=s3cret',
      headers: { 'www-authenticate': BASIC },
      body: 'Request has expired',
    }),
    [basicCredential('u', 'p')],
  );
  const failure = await failureOf(get());
  expect(failure).toMatchObject({ reason: 'AuthRefused', details: { status, storage: 'https://storage.example' } });
  expect(JSON.stringify([failure.message, failure.details])).not.toContain('s3cret');
  expect(http.requests).toHaveLength(1);
});

test('credentials are looked up once for each repository', async () => {
  const asked: string[] = [];
  const http = scriptedHttp(() => ({ status: 200 }));
  const credentials = {
    ...credentialsOf([]),
    oci: async (registry: string, repository: string) => {
      asked.push(`${registry}/${repository}`);
      return Promise.resolve([]);
    },
  };
  const authorizer = new Authorizer(testContext({ http, credentials }));
  for (const repository of ['a', 'b', 'a']) await authorizer.get({ registry: 'r.example', repository }, request);
  expect(asked).toEqual(['r.example/a', 'r.example/b']);
});
