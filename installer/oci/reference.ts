/** Grammar of `oci://HOST[:PORT]/REPO[:TAG][@DIGEST][!PATH]` (docs/sources.md, "OCI references"). */
import { InstallError } from '../core/errors.ts';
import { parseDigest } from '../core/integrity.ts';
import { escapeText, redactReference } from '../core/redact.ts';
import type { ArchivePath, Digest } from '../core/types.ts';
import { formatAuthority, parseAuthority, type Authority } from './authority.ts';

export interface OciReference extends Authority {
  /** `host[:port]`, the name of the registry in messages and credential files; Docker Hub is always `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  /** Undefined when the reference names none. With a digest it is for display only. */
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
  /** Directory inside the artifact: relative, `/` separators, no empty, `.` or `..` segment. */
  readonly path: ArchivePath | undefined;
}

/** What selects a manifest: a repository and a tag or digest. */
export type OciTarget = Pick<OciReference, 'registry' | 'repository'>;

const SCHEME = 'oci://';
const HUB = 'docker.io';
const HUB_ALIASES: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io']);
const HUB_API = 'registry-1.docker.io';
const MAX_NAME = 255; // host/repo: what distribution and the cloud registries accept
const MAX_PATH_BYTES = 512;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
// distribution-spec v1.1, "Pulling manifests", <name>; `_` or `__` but not `___`.
const COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const FORBIDDEN = /[\s\p{Cc}?#%\\]/u;

/**
 * Parses an OCI reference. Throws ReferenceInvalid with the fault in `details.cause` and, where it is known, the right spelling in
 * `details.fix`; userinfo never reaches the message.
 */
export function parseOciReference(text: string): OciReference {
  if (!text.startsWith(SCHEME)) throw invalid(text, 'the scheme must be written oci:// in lower case');
  const body = text.slice(SCHEME.length);
  const bang = body.indexOf('!');
  const path = bang === -1 ? undefined : parsePluginPath(body.slice(bang + 1));
  if (path !== undefined && 'fault' in path) throw invalid(text, `the plugin path after ! ${path.fault}`);
  const rest = bang === -1 ? body : body.slice(0, bang);
  if (FORBIDDEN.test(rest)) throw invalid(text, 'white space, control characters, ?, #, % and \\ are not allowed');
  const { named, digest } = cutDigest(text, rest);
  const slash = named.indexOf('/');
  if (slash <= 0 || slash === named.length - 1) {
    throw invalid(text, 'it needs a registry host and a repository: there are no short names');
  }
  const authority = parseAuthority(named.slice(0, slash));
  if (typeof authority === 'string') throw invalid(text, authority);
  const { repository, tag } = cutTag(text, named.slice(slash + 1));
  return normalise(text, { ...authority, repository, tag, digest, path: path?.value });
}

/** Canonical spelling; parses back to an equal reference. */
export function formatOciReference(reference: OciReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  const path = reference.path === undefined ? '' : `!${reference.path}`;
  return `${SCHEME}${reference.registry}/${reference.repository}${tag}${digest}${path}`;
}

/** `host[:port]` that the API of a registry answers on: Docker Hub's differs from its name. */
export function apiHost(registry: string): string {
  return registry === HUB ? HUB_API : registry;
}

/**
 * A plugin directory inside an artifact, from `!PATH` or an annotation: relative, at most 512 bytes, no empty, `.` or `..` segment, no
 * backslash or control character. Returns the fault instead when it is none; it completes a sentence ("… is empty").
 */
export function parsePluginPath(path: string): { readonly value: ArchivePath } | { readonly fault: string } {
  if (path === '') return { fault: 'is empty' };
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return { fault: `is longer than ${MAX_PATH_BYTES} bytes` };
  if (/[\\\p{Cc}\p{Surrogate}]/u.test(path)) return { fault: 'holds a backslash or a control character' };
  const isPlain = path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  if (!isPlain) return { fault: 'must be relative, without empty, . or .. segments' };
  return { value: path as ArchivePath }; // checked just above
}

function cutDigest(text: string, rest: string): { readonly named: string; readonly digest: Digest | undefined } {
  const at = rest.lastIndexOf('@');
  if (at === -1) return { named: rest, digest: undefined };
  const digest = parseDigest(rest.slice(at + 1));
  if (digest === undefined || rest.slice(0, at).includes('@')) {
    throw invalid(
      text,
      'what follows @ must be sha256: and 64, or sha512: and 128 lower-case hex characters, and credentials have no place in a reference',
    );
  }
  return { named: rest.slice(0, at), digest };
}

function cutTag(text: string, name: string): { readonly repository: string; readonly tag: string | undefined } {
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  const repository = colon === -1 ? name : name.slice(0, colon);
  const tag = colon === -1 ? undefined : name.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(text, 'a tag is up to 128 letters, digits, _, . and -, and does not start with . or -');
  }
  if (repository.split('/').every((component) => COMPONENT.test(component))) return { repository, tag };
  const lower = repository.toLowerCase();
  if (lower !== repository && lower.split('/').every((component) => COMPONENT.test(component))) {
    throw invalid(text, 'repository names are lower case', `write the repository as ${lower}`);
  }
  throw invalid(text, 'a repository is made of a-z and 0-9, joined by one of . _ __ or by dashes, with / between');
}

function normalise(text: string, parts: Omit<OciReference, 'registry'>): OciReference {
  const isAlias = parts.port === undefined && HUB_ALIASES.has(parts.host);
  const host = isAlias ? HUB : parts.host;
  const registry = formatAuthority({ host, port: parts.port });
  const isOfficial = registry === HUB && !parts.repository.includes('/');
  const repository = isOfficial ? `library/${parts.repository}` : parts.repository;
  if (registry.length + 1 + repository.length > MAX_NAME) {
    throw invalid(text, `host and repository together are longer than ${MAX_NAME} characters`);
  }
  return { ...parts, host, registry, repository };
}

function invalid(text: string, cause: string, fix?: string): InstallError {
  const shown = withoutUserinfo(text);
  return new InstallError('ReferenceInvalid', `${shown} is not an OCI reference: ${cause}`, {
    details: { reference: shown, cause, ...(fix === undefined ? {} : { fix }) },
  });
}

/** `oci://u:p@host/…`: a password in a place that does not parse must not be repeated. */
function withoutUserinfo(text: string): string {
  const bang = text.indexOf('!');
  const rest = bang === -1 ? text : text.slice(0, bang);
  const at = rest.lastIndexOf('@');
  if (at === -1 || /^sha(?:256|512):/.test(rest.slice(at + 1))) return redactReference(text).slice(0, 300);
  return escapeText(`${rest.slice(0, rest.indexOf('//') + 2)}…@${text.slice(at + 1)}`).slice(0, 300);
}
