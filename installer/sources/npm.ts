/** npm packages: `npm:NAME[@VERSION|TAG|RANGE]` or the bare spec (docs/sources.md, "npm"). */
import type { Context, Http } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { parseIntegrity, type Integrity } from '../core/integrity.ts';
import { hostOrigin, urlOrigin } from '../core/origin.ts';
import { escapeText, redactUrl } from '../core/redact.ts';
import type { Body, Claims, ParseContext, Pinned, Reference, ResumePoint, Source } from '../core/types.ts';
import { fetchPackument, type FetchedPackument } from '../npm/registry.ts';
import { pickVersion, type Picked } from '../npm/pick.ts';
import { parseNpmSpec, type NpmSpec, type Wanted } from '../npm/spec.ts';
import { tarballUrl } from '../npm/tarball-url.ts';
import { SingleFlight } from '../core/single-flight.ts';
import { downloadKey, requestArchive } from './archive-request.ts';
import { fileSource } from './file.ts';
import { httpsSource, notAdmitted } from './https.ts';

/** Takes every text it is asked about: bare specs have no mark, so this source stands last. */
export const npmSource: Source = {
  kind: 'npm',
  parse(text, ctx) {
    const spec = parseNpmSpec(text);
    if (spec.kind === 'registry') return toReference(spec, ctx);
    return httpsSource.parse(spec.reference, ctx) ?? fileSource.parse(spec.reference, ctx);
  },
};

/** A package of a registry, as far as the text and `.npmrc` determine it. */
interface Package {
  readonly name: string;
  readonly wanted: Wanted;
  /** Base URL with trailing slash. */
  readonly registry: URL;
  readonly replaceHost: string;
}

function toReference(spec: Extract<NpmSpec, { kind: 'registry' }>, ctx: ParseContext): Reference {
  const { name, wanted, alias } = spec;
  const registry = ctx.npmRegistry(name);
  const wish: Package = { name, wanted, registry, replaceHost: ctx.npmReplaceRegistryHost ?? 'npmjs' };
  return {
    kind: 'npm',
    text: `npm:${name}@${escapeText(wanted.value)}`,
    origin: { scheme: 'npm', name, registry: registry.href },
    isLocal: false,
    digest: undefined,
    identity: `npm:${name}`,
    warnings: warningsOf(name, wanted, alias),
    resolve: (_entry, ctx) => resolve(wish, ctx),
  };
}

function warningsOf(name: string, { type, value }: Wanted, alias: string | undefined): readonly string[] {
  const warnings: string[] = [];
  if (type !== 'version') {
    const what = type === 'tag' ? `dist-tag ${escapeText(value)}` : `range ${escapeText(value)}`;
    warnings.push(`${name}: the ${what} may mean another version at the next start`);
  }
  if (alias !== undefined) warnings.push(`the alias ${alias} has no effect: directory and policy go by ${name}`);
  return warnings;
}

/**
 * Packument, version, tarball address and the registry's own integrity: one request per package and run. Throws what `fetchPackument`,
 * `pickVersion` and `tarballUrl` throw, and SourceNotAllowed for a tarball on a host that `allowedSources` does not admit.
 */
async function resolve(wish: Package, ctx: Context): Promise<Pinned> {
  const { packument, url: packumentUrl } = await packumentOf(wish, ctx);
  const picked = pickVersion(packument, wish.wanted, ctx.options.portalNodeVersion);
  const { version, dist } = picked.record;
  const url = tarballUrl({
    tarball: dist.tarball,
    packumentUrl,
    registry: wish.registry,
    replaceHost: wish.replaceHost,
    isInsecureHost: ctx.options.isInsecureHost,
  });
  const shown = redactUrl(url);
  if (url.origin !== wish.registry.origin && !ctx.admits(urlOrigin(url) ?? hostOrigin(url))) {
    throw notAdmitted(url, `${wish.registry.host} keeps the tarball of ${wish.name}@${version} on`);
  }
  const recorded = recordedIntegrity(dist.integrity);
  const claims: Claims = recorded === undefined ? {} : { integrity: recorded };
  const open = (ctx: Context, from: ResumePoint): Promise<Body> => openTarball({ wish, picked, url }, ctx, from);
  return {
    key: downloadKey(url),
    text: `npm:${wish.name}@${version}`,
    layout: 'package',
    within: undefined,
    parts: [{ claims, label: shown, open }],
    identity: { name: wish.name, version },
    warnings: [...picked.warnings, ...integrityWarnings(wish.name, picked, recorded)],
  };
}

/** sha1 and md5 are no checks and no claims either; a damaged strong value makes the whole record unusable. */
function recordedIntegrity(text: string | undefined): Integrity | undefined {
  const tokens = (text ?? '').split(/\s+/).filter((token) => token !== '' && !/^(?:sha1|md5)-/i.test(token));
  if (tokens.length === 0) return undefined;
  try {
    return parseIntegrity(tokens.join(' '));
  } catch (error) {
    if (error instanceof InstallError && error.reason === 'IntegrityMalformed') return undefined;
    throw error;
  }
}

function integrityWarnings(name: string, { record }: Picked, recorded: Integrity | undefined): readonly string[] {
  if (recorded !== undefined) return [];
  const found = record.dist.integrity === undefined ? (record.dist.hasShasum ? 'only sha1' : 'none') : 'no valid one';
  return [`${name}@${record.version}: the registry's record has no integrity that counts (${found})`];
}

interface Tarball {
  readonly wish: Package;
  readonly picked: Picked;
  readonly url: URL;
}

function openTarball({ wish, picked, url }: Tarball, ctx: Context, from: ResumePoint): Promise<Body> {
  const credential = ctx.credentials.npm(url, wish.registry);
  const { version } = picked.record;
  const subject = `${wish.name}@${version}`;
  const hint = missingCredentialHint(wish, url, ctx);
  return requestArchive(
    {
      url,
      credential,
      isNamedByServer: url.host !== wish.registry.host,
      needsAcceptRanges: false,
      authHint: hint ?? `add //${url.host}/:_authToken=\${TOKEN} to .npmrc if the package is private`,
      notFound: (status) =>
        new InstallError('VersionNotFound', `${url.host} lists ${subject} but has no tarball for it (${status})`, {
          details: {
            url: redactUrl(url),
            status,
            fix: hint ?? 'choose another version: this one was unpublished, or the mirror has not fetched it',
          },
        }),
    },
    ctx,
    from,
  );
}

/** Registries that keep tarballs elsewhere answer 401, 403 or 404 there; the reason is rarely in the answer. */
function missingCredentialHint({ registry }: Package, url: URL, ctx: Context): string | undefined {
  if (ctx.credentials.npm(url, registry)?.authorization !== undefined) return undefined;
  const other = ctx.credentials.npm(registry, registry);
  if (other?.authorization === undefined) return undefined;
  return `no credential for ${url.host}; one exists for ${registry.host} (${other.label}): add //${url.host}/:_authToken=\${TOKEN} to .npmrc`;
}

interface Shelf {
  readonly flights: SingleFlight<FetchedPackument>;
  readonly done: Map<string, FetchedPackument>;
}

/** An Http lives as long as a run, so what hangs on it is looked up once per run and forgotten with it. */
const SHELVES = new WeakMap<Http, Shelf>();

async function packumentOf({ name, registry }: Package, ctx: Context): Promise<FetchedPackument> {
  const shelf = SHELVES.get(ctx.http) ?? { flights: new SingleFlight(), done: new Map() };
  SHELVES.set(ctx.http, shelf);
  const key = `${registry.href} ${name}`;
  const known = shelf.done.get(key);
  if (known !== undefined) return known;
  return shelf.flights.run(key, ctx.signal, async () => {
    const fetched = await fetchPackument(name, registry, ctx);
    shelf.done.set(key, fetched);
    return fetched;
  });
}
