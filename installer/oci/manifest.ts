/** OCI manifests and indexes, read strictly: image-spec v1.1 "manifest.md", "image-index.md", "descriptor.md". Pure. */
import * as z from 'zod';
import { InstallError } from '../core/errors.ts';
import { parseDigest } from '../core/integrity.ts';
import { escapeText } from '../core/redact.ts';
import type { Digest } from '../core/types.ts';
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, REFUSED } from './media-types.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Where a foreign layer is to be fetched from; present means foreign. */
  readonly urls: readonly string[];
  /** The content itself, base64; not checked yet. */
  readonly data: string | undefined;
  readonly platform: Platform | undefined;
}

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

const MAX_LAYERS = 128; // Docker's storage drivers end at 127
const MAX_MANIFESTS = 1024;

const annotationsSchema = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});

const descriptorSchema = z
  .object({
    mediaType: z.string().min(1).max(255),
    digest: z.string().transform((text, ctx): Digest => {
      const digest = parseDigest(text);
      if (digest !== undefined) return digest;
      ctx.addIssue({ code: 'custom', message: 'not a sha256 or sha512 digest' });
      return z.NEVER;
    }),
    size: z.int().min(0),
    annotations: annotationsSchema,
    urls: z
      .array(z.string())
      .nullish()
      .transform((value) => value ?? []),
    data: z.string().optional(),
    platform: z.object({ os: z.string(), architecture: z.string() }).nullish(),
  })
  .transform((value): Descriptor => ({ ...value, data: value.data, platform: value.platform ?? undefined }));

const manifestSchema = z.object({
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(MAX_LAYERS),
  annotations: annotationsSchema,
});

const indexSchema = z.object({
  manifests: z.array(descriptorSchema).max(MAX_MANIFESTS),
  annotations: annotationsSchema,
});

/**
 * Parses the bytes of a manifest or index. `contentType` is the answer's header; `label` (`oci://…`) names it in messages. Throws
 * ManifestInvalid: unknown or contradicting types, `manifests` together with `layers` or `config` (CVE-2021-41190), schema 1, withdrawn
 * types, Helm charts, malformed descriptors.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  label: string,
): ImageManifest | ImageIndex {
  const body = parseJson(bytes, label);
  const mediaType = mediaTypeOf(body, contentType, label);
  if (body['schemaVersion'] !== 2) {
    throw invalid(label, `schemaVersion is ${show(body['schemaVersion'])}, expected 2`);
  }
  const isIndexShaped = 'manifests' in body;
  if (isIndexShaped && ('layers' in body || 'config' in body)) {
    throw invalid(label, 'it is a manifest and an index at the same time');
  }
  switch (mediaType) {
    case OCI_MANIFEST:
    case DOCKER_MANIFEST: {
      const manifest = { kind: 'manifest' as const, mediaType, ...read(manifestSchema, body, label) };
      refuseByName(manifest, label);
      return manifest;
    }
    case OCI_INDEX:
    case DOCKER_LIST:
      return { kind: 'index', mediaType, ...read(indexSchema, body, label) };
    default:
      throw invalid(label, `its type ${show(mediaType)} is not one of an image manifest or index`);
  }
}

/** Own media type of a message body: the body's `mediaType`, else the header without parameters (umoci writes none into the body). */
function mediaTypeOf(body: Readonly<Record<string, unknown>>, contentType: string | undefined, label: string): string {
  const header = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const own = body['mediaType'];
  if (own !== undefined && typeof own !== 'string') throw invalid(label, 'its mediaType is not a string');
  refuseType(header, label);
  refuseType(own ?? '', label);
  if (own === undefined || own === '') return header;
  if (header !== '' && header !== own) {
    throw invalid(label, `its mediaType is ${show(own)}, but the registry announced ${show(header)}`);
  }
  return own;
}

function refuseByName(manifest: ImageManifest, label: string): void {
  for (const { mediaType } of [manifest.config, ...manifest.layers]) refuseType(mediaType, label);
}

function refuseType(mediaType: string, label: string): void {
  const name = REFUSED.get(mediaType);
  if (name !== undefined) throw invalid(label, `it is ${name}`);
}

function parseJson(bytes: Uint8Array, label: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(label, 'it is not JSON in UTF-8', error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(label, 'it is not a JSON object');
  return value as Record<string, unknown>; // just checked
}

function read<T>(schema: z.ZodType<T>, body: unknown, label: string): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue === undefined ? '' : `${issue.path.map(String).join('.')}: ${issue.message}`;
  throw invalid(label, escapeText(where).slice(0, 200), result.error);
}

/** ManifestInvalid about the manifest called `label`. */
export function invalid(label: string, fault: string, cause?: unknown): InstallError {
  return new InstallError('ManifestInvalid', `the manifest ${label} is not acceptable: ${fault}`, {
    details: { manifest: label, cause: fault },
    ...(cause === undefined ? {} : { cause }),
  });
}

function show(value: unknown): string {
  return escapeText((JSON.stringify(value) ?? 'absent').slice(0, 100));
}
