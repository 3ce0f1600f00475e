/** Canonical JSON and the digest of a list, byte for byte as the chart renders them (docs/contracts.md, "Logs": `set`). Pure. */
import { createHash } from 'node:crypto';
import type { Plain, PlainMap } from './nodes.ts';

/**
 * JSON with keys sorted by code point, no white space, U+2028 and U+2029 escaped, everything else as it is: what Go's encoding/json
 * writes without HTML escaping, so that chart and program agree.
 */
export function canonicalJson(value: Plain): string {
  if (typeof value === 'string') return text(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${members.map(([key, member]) => `${text(key)}:${canonicalJson(member)}`).join(',')}}`;
}

/** `sha256:` and the first 12 hex characters of the digest of the canonical document. */
export function setOf(document: PlainMap): string {
  return `sha256:${createHash('sha256').update(canonicalJson(document)).digest('hex').slice(0, 12)}`;
}

function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value);
}

function text(value: string): string {
  return JSON.stringify(value).replace(/[\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16)}`);
}
