/** A Context for tests of one step: everything is inert unless it is overridden. */
import type { Context, Http } from '../../installer/core/context.ts';
import type { RunEvent } from '../../installer/core/events.ts';
import { DEFAULT_LIMITS } from '../../installer/core/limits.ts';
import type { Limits } from '../../installer/core/limits.ts';
import type { AbsPath } from '../../installer/core/types.ts';
import { isPrivateHost } from '../../installer/net/private-address.ts';
import { instantClock } from './clock.ts';

export interface TestContext extends Context {
  /** What was emitted, unless `emit` is overridden. */
  readonly events: RunEvent[];
}

/** `limits` and `options` may be partial: they are laid over the defaults. */
export type ContextOverrides = Partial<Omit<Context, 'limits' | 'options'>> & {
  readonly limits?: Partial<Limits>;
  readonly options?: Partial<Context['options']>;
};

/** Instant clock, no credentials, default limits, every source admitted, no network, a scratch path that does not exist. */
export function testContext(overrides: ContextOverrides = {}): TestContext {
  const events: RunEvent[] = [];
  return {
    events,
    signal: new AbortController().signal,
    deadline: Number.POSITIVE_INFINITY,
    clock: instantClock(),
    http: noHttp(),
    credentials: { oci: async () => Promise.resolve([]), npm: () => undefined, https: () => undefined },
    admits: () => true,
    scratch: '/nonexistent/scratch' as AbsPath,
    emit: (event) => events.push(event),
    subject: { package: 'test:subject', index: 0 },
    ...overrides,
    limits: { ...DEFAULT_LIMITS, ...overrides.limits },
    options: {
      requireIntegrity: true,
      backstageFrontend: 'any',
      backstageVersion: undefined,
      portalNodeVersion: undefined,
      anonymousFallback: false,
      isInsecureHost: () => false,
      isPrivateHost,
      authRealms: [],
      ...overrides.options,
    },
  };
}

/** An Http that fails the test that reaches it: this step must not touch the network. */
export function noHttp(): Http {
  return { exchange: refuse, retry: async (attempt) => attempt(1), close: async () => Promise.resolve() };
}

async function refuse(): Promise<never> {
  return Promise.reject(new Error('this test must not touch the network'));
}
