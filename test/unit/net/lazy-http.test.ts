import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';
import { lazyHttp } from '../../../installer/net/lazy-http.ts';
import { instantClock } from '../../support/clock.ts';
import { failureOf, get, NO_NETWORK_SETTINGS } from '../../support/http.ts';
import { testContext } from '../../support/context.ts';

const options = (network = NO_NETWORK_SETTINGS) => ({ network, limits: DEFAULT_LIMITS, clock: instantClock() });

test('a run that asks nobody never loads undici', () => {
  const program = `
    import { lazyHttp } from './installer/net/lazy-http.ts';
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) {
      if (url.includes('/undici/')) throw new Error('undici was loaded');
      return next(url, context);
    } });
    const http = lazyHttp(${JSON.stringify({ network: NO_NETWORK_SETTINGS, limits: DEFAULT_LIMITS })});
    console.log(await http.retry(async () => 'no request', { signal: new AbortController().signal }));
    await http.close();
    console.log(await http.exchange({ url: new URL('https://127.0.0.1:1') }).catch((error) => error.message));
  `;
  const root = join(import.meta.dirname, '../../..');
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(output.trim().split('\n')).toEqual(['no request', 'undici was loaded']);
});

test('retries without a client', async () => {
  expect(await lazyHttp(options()).retry(async (number) => Promise.resolve(number), testContext())).toBe(1);
});

test('a setting that cannot be used fails the exchange, and closing afterwards is quiet', async () => {
  const http = lazyHttp(options({ ...NO_NETWORK_SETTINGS, caFile: '/nonexistent/ca.pem' }));
  expect((await failureOf(http.exchange(get('https://r.example/')))).reason).toBe('UsageInvalid');
  await http.close();
});

test('plain http to a host that is not listed is refused before any connection', async () => {
  const http = lazyHttp(options());
  expect((await failureOf(http.exchange(get('http://r.example/')))).reason).toBe('ReferenceInvalid');
  await http.close();
});
