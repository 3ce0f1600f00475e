/** A Context that speaks real HTTP to loopback, with credentials from the text of an `.npmrc`, and the first steps of the line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostMatcher } from '../../installer/config/insecure-hosts.ts';
import type { Clock, Http } from '../../installer/core/context.ts';
import { parseIntegrity } from '../../installer/core/integrity.ts';
import { DEFAULT_LIMITS, type Limits } from '../../installer/core/limits.ts';
import type {
  AbsPath,
  Entry,
  Fetched,
  FetchedArchive,
  ParseContext,
  Resolved,
  Verified,
} from '../../installer/core/types.ts';
import { createCredentials, type LoadedCredentials } from '../../installer/net/credentials.ts';
import { downloadPart } from '../../installer/net/download.ts';
import { parseReference } from '../../installer/sources/index.ts';
import { verifyFetched } from '../../installer/verify/index.ts';
import { integrityCheck } from '../../installer/verify/integrity.ts';
import { instantClock } from './clock.ts';
import { testContext, type ContextOverrides, type TestContext } from './context.ts';
import { testEntry } from './entries.ts';
import { testHttp } from './http.ts';

export interface SourceContextOptions {
  /** Text of the `.npmrc`; `${NAME}` expands from `variables`. */
  readonly npmrc?: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** Default: everything on 127.0.0.1. */
  readonly insecureHosts?: readonly string[];
  /** Default: 127.0.0.1, since every peer of a test is private. */
  readonly allowPrivateRedirects?: readonly string[];
  readonly caPem?: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly options?: ContextOverrides['options'];
  readonly admits?: TestContext['admits'];
  readonly http?: Http;
  readonly clock?: Clock;
  /** Directory that `./dir` is relative to; default: the scratch directory. */
  readonly cwd?: string;
}

export interface SourceContext extends AsyncDisposable {
  readonly ctx: TestContext;
  readonly credentials: LoadedCredentials;
  readonly parseContext: ParseContext;
  /** The entry of a reference; `integrity` becomes its check. */
  entry(text: string, integrity?: string, overrides?: Partial<Entry>): Entry;
  resolve(text: string, integrity?: string): Promise<Resolved>;
  fetch(text: string, integrity?: string): Promise<Fetched>;
  /** Resolve, fetch, verify. */
  verify(text: string, integrity?: string): Promise<Verified>;
}

/** Waits between attempts cost nothing; `requireIntegrity` is on unless `options` says otherwise. */
export async function sourceContext(options: SourceContextOptions = {}): Promise<SourceContext> {
  const scratch = (await mkdtemp(join(tmpdir(), 'source-'))) as AbsPath; // tmpdir is absolute
  const insecureHosts = options.insecureHosts ?? ['127.0.0.1'];
  const isInsecureHost = hostMatcher(insecureHosts);
  const credentials = await loadCredentials(options, scratch, isInsecureHost);
  const clock = options.clock ?? instantClock();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const allowPrivateRedirects = options.allowPrivateRedirects ?? ['127.0.0.1'];
  const network = { insecureHosts, allowPrivateRedirects };
  const caPem = options.caPem === undefined ? {} : { caPem: options.caPem };
  const http = options.http ?? testHttp({ clock, limits, network, ...caPem });
  const ctx = testContext({
    clock,
    http,
    limits,
    scratch,
    credentials: credentials.provider,
    ...(options.admits === undefined ? {} : { admits: options.admits }),
    options: { isInsecureHost, ...options.options },
  });
  const parseContext: ParseContext = {
    npmRegistry: (name) => credentials.npmrc.registryFor(name),
    npmReplaceRegistryHost: credentials.npmrc.replaceRegistryHost,
    isInsecureHost,
    cwd: options.cwd ?? scratch,
  };
  return {
    ctx,
    credentials,
    parseContext,
    ...stepsOf(ctx, parseContext),
    async [Symbol.asyncDispose]() {
      await http.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

async function loadCredentials(
  { npmrc, variables = {} }: SourceContextOptions,
  scratch: string,
  isInsecureHost: (host: string) => boolean,
): Promise<LoadedCredentials> {
  const path = npmrc === undefined ? undefined : join(scratch, '.npmrc');
  if (path !== undefined) await writeFile(path, npmrc ?? '');
  const settings = { registryAuthFiles: [], npmrc: path, npmrcVariables: variables, credentialHelperDir: undefined };
  return createCredentials(settings, isInsecureHost);
}

function stepsOf(
  ctx: TestContext,
  parseContext: ParseContext,
): Pick<SourceContext, 'entry' | 'resolve' | 'fetch' | 'verify'> {
  let downloads = 0;
  const entry: SourceContext['entry'] = (text, integrity, overrides = {}) => {
    const checks = integrity === undefined ? [] : [integrityCheck(parseIntegrity(integrity))];
    return testEntry(0, { package: text, checks, ...overrides, reference: parseReference(text, parseContext) });
  };
  const resolve: SourceContext['resolve'] = async (text, integrity) => {
    const made = entry(text, integrity);
    return { entry: made, pinned: await made.reference.resolve(made, ctx) };
  };
  const fetch: SourceContext['fetch'] = async (text, integrity) => {
    const resolved = await resolve(text, integrity);
    const algorithms = resolved.entry.checks.flatMap(({ needs }) => needs);
    const archives: FetchedArchive[] = [];
    for (const part of resolved.pinned.parts) {
      const path = join(ctx.scratch, `archive-${(downloads += 1)}`) as AbsPath; // scratch is absolute
      archives.push(await downloadPart(part, { path, algorithms }, ctx));
    }
    return { ...resolved, archives };
  };
  const verify: SourceContext['verify'] = async (text, integrity) => verifyFetched(await fetch(text, integrity), ctx);
  return { entry, resolve, fetch, verify };
}
