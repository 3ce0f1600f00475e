/** A Context that speaks real HTTP to registries on loopback, and what a test does with it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostMatcher } from '../../installer/config/insecure-hosts.ts';
import type { CredentialProvider, OciCredential } from '../../installer/core/context.ts';
import { DEFAULT_LIMITS, type Limits } from '../../installer/core/limits.ts';
import type { AbsPath, Entry, Part, Pinned } from '../../installer/core/types.ts';
import { downloadPart } from '../../installer/net/download.ts';
import { ociSource } from '../../installer/sources/oci.ts';
import { instantClock } from './clock.ts';
import { testContext, type ContextOverrides, type TestContext } from './context.ts';
import { testEntry } from './entries.ts';
import { testHttp } from './http.ts';

export interface OciContextOptions {
  /** `host:port` of the registries and token services on loopback: plain http, and realms that may be asked. */
  readonly hosts: readonly string[];
  /** Where redirects may lead although it is loopback. */
  readonly redirectHosts?: readonly string[];
  /** The same candidates for every repository, or a provider. */
  readonly credentials?: readonly OciCredential[] | CredentialProvider;
  readonly options?: ContextOverrides['options'];
  readonly limits?: Partial<Limits>;
  readonly signal?: AbortSignal;
}

export type OciContext = TestContext & AsyncDisposable;

/** Instant clock: waits between attempts cost nothing. */
export function ociContext(options: OciContextOptions): OciContext {
  const clock = instantClock();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const http = testHttp({
    clock,
    limits,
    network: { insecureHosts: options.hosts, allowPrivateRedirects: options.redirectHosts ?? [] },
  });
  const ctx = testContext({
    clock,
    http,
    limits,
    credentials: providerOf(options.credentials ?? []),
    options: { isInsecureHost: hostMatcher(options.hosts), authRealms: options.hosts, ...options.options },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return Object.assign(ctx, { [Symbol.asyncDispose]: async () => http.close() });
}

function providerOf(credentials: readonly OciCredential[] | CredentialProvider): CredentialProvider {
  return 'oci' in credentials ? credentials : credentialsOf(credentials);
}

/** The same candidates for every repository. */
export function credentialsOf(candidates: readonly OciCredential[]): CredentialProvider {
  return { oci: async () => Promise.resolve(candidates), npm: () => undefined, https: () => undefined };
}

export function basicCredential(username: string, password: string, label = 'config.json:registry'): OciCredential {
  return { kind: 'basic', username, password, label };
}

/** An entry for an `oci://` reference. */
export function ociEntry(text: string, overrides: Partial<Entry> = {}): Entry {
  return testEntry(0, { package: text, ...overrides, reference: ociReference(text) });
}

export function ociReference(text: string): Entry['reference'] {
  const reference = ociSource.parse(text, {
    npmRegistry: () => new URL('https://registry.example/'),
    isInsecureHost: () => false,
    cwd: '/',
  });
  if (reference === undefined) throw new Error(`${text} is not an OCI reference`);
  return reference;
}

/** Resolves an `oci://` reference, as the line does. */
export async function resolveOci(text: string, ctx: OciContext, overrides: Partial<Entry> = {}): Promise<Pinned> {
  const entry = ociEntry(text, overrides);
  return entry.reference.resolve(entry, ctx);
}

/** What fetching a reference came to: every part downloaded, hashed and checked against its descriptor as in the line. */
export interface FetchedReference {
  readonly pinned: Pinned;
  readonly parts: readonly Buffer[];
}

/** Resolves and downloads in a directory of its own, which is gone afterwards. */
export async function fetchOci(text: string, ctx: OciContext): Promise<FetchedReference> {
  const directory = await mkdtemp(join(tmpdir(), 'oci-fetch-'));
  try {
    const pinned = await resolveOci(text, ctx);
    const parts: Buffer[] = [];
    for (const [at, part] of pinned.parts.entries()) {
      const path = join(directory, `archive-${at}`) as AbsPath; // tmpdir is absolute
      await downloadPart(part, { path, algorithms: ['sha512'] }, ctx);
      parts.push(await readFile(path));
    }
    return { pinned, parts };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** All bytes of a part, from the start, in one attempt. */
export async function readPart(part: Part | undefined, ctx: OciContext, offset = 0): Promise<Buffer> {
  if (part === undefined) throw new Error('there is no such part');
  const body = await part.open(ctx, { offset, validator: undefined });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
