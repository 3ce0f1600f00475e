/** Reads from OCI registries: distribution-spec v1.1 "Pull". Digests are computed here; headers are claims. Nothing is retried. */
import { createHash } from 'node:crypto';
import type { HttpResponse } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { parseDigest } from '../core/integrity.ts';
import { escapeText, redactUrl } from '../core/redact.ts';
import type { Digest } from '../core/types.ts';
import { readWords } from './answer.ts';
import { Authorizer } from './auth.ts';
import { invalid, parseManifest, type ImageIndex, type ImageManifest } from './manifest.ts';
import { MANIFEST_ACCEPT } from './media-types.ts';
import type { OciTarget } from './reference.ts';
import type { OciSettings } from './settings.ts';

export interface FetchedManifest {
  /** Computed over the bytes received; sha256 unless another algorithm was asked for. */
  readonly digest: Digest;
  /** As received; what a signature would cover. */
  readonly bytes: Buffer;
  readonly content: ImageManifest | ImageIndex;
  /** Remarks about this manifest: a header that names another digest. */
  readonly notes: readonly string[];
  /** What the registry wants to be passed on to people, `registryWarnings`. */
  readonly warnings: readonly string[];
}

/** What a manifest is asked by: a tag, a digest, or a descriptor, whose size must then hold as well. */
export type ManifestSelector = { readonly tag: string } | { readonly digest: Digest; readonly size?: number };

export interface BlobRequest {
  readonly digest: Digest;
  /** `range` and `if-range`, if the download goes on. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** One client per run: it remembers tokens and which credential each repository takes. */
export class OciClient {
  readonly #settings: OciSettings;
  readonly #authorizer: Authorizer;

  constructor(settings: OciSettings) {
    this.#settings = settings;
    this.#authorizer = new Authorizer(settings);
  }

  /**
   * Fetches and parses a manifest or index of at most `limits.manifestBytes`. Throws DigestMismatch when the bytes are not those asked
   * for, ManifestInvalid, UnexpectedContent for a page, PackageNotFound, VersionNotFound, AuthRefused, RealmRefused, and the faults of
   * `Http.exchange`.
   */
  async manifest(target: OciTarget, selector: ManifestSelector, signal: AbortSignal): Promise<FetchedManifest> {
    const asked = 'tag' in selector ? selector.tag : selector.digest;
    const label = manifestLabel(target, selector);
    this.#refuseSize(selector, label);
    const path = `/v2/${target.repository}/manifests/${asked}`;
    const response = await this.#authorizer.get(target, { path, headers: { accept: MANIFEST_ACCEPT }, signal });
    if (response.status !== 200) throw await this.#failure(response, target, label);
    try {
      refusePage(response, label);
      refuseEncoding(response, label);
    } catch (error) {
      await response.discard();
      throw error;
    }
    const { manifestBytes } = this.#settings.limits;
    const bytes = await response.bytes(manifestBytes, () => invalid(label, `it is larger than ${manifestBytes} bytes`));
    const digest = checkedDigest(bytes, selector, label);
    const content = parseManifest(bytes, response.header('content-type'), label);
    const notes = notesOf(response, { bytes, digest, label });
    return { digest, bytes, content, notes, warnings: registryWarnings(response) };
  }

  /**
   * Asks the registry for a blob and returns its 200, 206 or 416 answer, whose bytes nobody has checked yet. Throws VersionNotFound when
   * the registry does not have it, otherwise as `manifest`.
   */
  async blob(target: OciTarget, request: BlobRequest): Promise<HttpResponse> {
    const path = `/v2/${target.repository}/blobs/${request.digest}`;
    const response = await this.#authorizer.get(target, { path, headers: request.headers, signal: request.signal });
    const isAnswer = response.status === 200 || response.status === 206;
    if (isAnswer || (response.status === 416 && request.headers['range'] !== undefined)) return response;
    throw await this.#failure(response, target, `oci://${target.registry}/${target.repository}@${request.digest}`);
  }

  #refuseSize(selector: ManifestSelector, label: string): void {
    const { manifestBytes } = this.#settings.limits;
    if ('tag' in selector || (selector.size ?? 0) <= manifestBytes) return;
    throw invalid(label, `it is announced with ${selector.size} bytes, at most ${manifestBytes} are read`);
  }

  async #failure(response: HttpResponse, target: OciTarget, label: string): Promise<InstallError> {
    const { codes, text } = await readWords(response, this.#settings.limits.errorBodyBytes);
    const { status } = response;
    const url = redactUrl(response.url);
    const said = text === undefined ? '' : ` (${text})`;
    const details = { url, status, registry: target.registry, repository: target.repository };
    if (status !== 404 && status !== 410) {
      return new InstallError('RegistryUnavailable', `${url} answered ${status} for ${label}${said}`, { details });
    }
    const isUnknownName = codes.includes('NAME_UNKNOWN') || codes.includes('NAME_INVALID');
    return new InstallError(
      isUnknownName ? 'PackageNotFound' : 'VersionNotFound',
      `${target.registry} has no ${isUnknownName ? `repository ${target.repository}` : label}${said}`,
      {
        details: {
          ...details,
          fix: 'check repository, tag and digest of the reference; an image that was deleted must be pushed again',
        },
      },
    );
  }
}

/** `oci://registry/repository:tag` or `…@digest`, for messages. */
function manifestLabel({ registry, repository }: OciTarget, selector: ManifestSelector): string {
  return `oci://${registry}/${repository}${'tag' in selector ? `:${selector.tag}` : `@${selector.digest}`}`;
}

/** A sign-in page answered with 200 is the commonest way for a wrong host to "succeed". */
function refusePage(response: HttpResponse, label: string): void {
  const contentType = response.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (contentType !== 'text/html') return;
  throw new InstallError(
    'UnexpectedContent',
    `${redactUrl(response.url)} sent a page instead of the manifest ${label}`,
    {
      details: { url: redactUrl(response.url), status: response.status, contentType },
    },
  );
}

function refuseEncoding(response: HttpResponse, label: string): void {
  const encoding = response.header('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  throw invalid(
    label,
    `it came with content-encoding ${escapeText(encoding.slice(0, 40))} although identity was asked for`,
  );
}

/** Digest of the bytes. Docker-Content-Digest is never taken for it: the registry could lie to us and to its own header alike. */
function checkedDigest(bytes: Buffer, selector: ManifestSelector, label: string): Digest {
  if ('tag' in selector) return digestOf(bytes, 'sha256');
  const computed = digestOf(bytes, selector.digest.startsWith('sha512:') ? 'sha512' : 'sha256');
  const isSize = selector.size === undefined || selector.size === bytes.length;
  if (computed === selector.digest && isSize) return computed;
  const found = computed === selector.digest ? `${bytes.length} bytes, expected ${selector.size}` : computed;
  throw new InstallError('DigestMismatch', `the registry sent other bytes for ${label}: ${found}`, {
    details: { manifest: label, expected: selector.digest, computed, bytes: bytes.length },
  });
}

function digestOf(bytes: Buffer, algorithm: 'sha256' | 'sha512'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest; // just computed
}

function notesOf(
  response: HttpResponse,
  { bytes, digest, label }: { readonly bytes: Buffer; readonly digest: Digest; readonly label: string },
): readonly string[] {
  const notes: string[] = [];
  const claimed = response.header('docker-content-digest');
  const parsed = claimed === undefined ? undefined : parseDigest(claimed);
  const actual = parsed?.startsWith('sha512:') === true ? digestOf(bytes, 'sha512') : digestOf(bytes, 'sha256');
  if (claimed !== undefined && parsed !== actual) {
    const shown = escapeText(claimed.slice(0, 140));
    notes.push(`${label}: the registry announced the digest ${shown}, the bytes have ${digest}, which is used`);
  }
  return notes;
}

/**
 * Texts of `Warning: 299 - "…"` of a registry's own answer, escaped; those of a storage host behind a redirect do not count. RFC 9111 dropped
 * the header, distribution-spec v1.1 "Warnings" keeps it for registries.
 */
export function registryWarnings(response: HttpResponse): readonly string[] {
  if (!response.isSameOrigin) return [];
  return response
    .headers('warning')
    .flatMap((header) => [...header.matchAll(/(?:^|,)[ \t]*299 - "((?:[^"\\]|\\.){1,500})"/g)])
    .map(([, text = '']) => escapeText(text.replace(/\\(.)/g, '$1')));
}
