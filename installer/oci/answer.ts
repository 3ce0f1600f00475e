/** What a registry said in an answer that is not a success: distribution-spec v1.1, "Error codes". */
import type { HttpResponse } from '../core/context.ts';
import { escapeText, redactAuthorization } from '../core/redact.ts';

export interface RegistryWords {
  /** Error codes in order (`MANIFEST_UNKNOWN`); empty when the body is not the specified JSON. */
  readonly codes: readonly string[];
  /** Short text for messages, escaped; undefined when the registry said nothing. */
  readonly text: string | undefined;
}

const MAX_TEXT = 200;
const MAX_ERRORS = 5;

/** Reads at most `maxBytes` of an error body and discards the rest. Never throws: the status counts, the words are a courtesy. */
export async function readWords(response: HttpResponse, maxBytes: number): Promise<RegistryWords> {
  const text = await readSome(response, maxBytes);
  const errors = parseErrors(text);
  if (errors === undefined) return { codes: [], text: printable(text) };
  const words = errors.map(({ code, message }) => (message === '' ? code : `${code}: ${message}`)).join('; ');
  return { codes: errors.map(({ code }) => code), text: printable(words) };
}

async function readSome(response: HttpResponse, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= maxBytes) break;
    }
  } catch {
    // A body that breaks off has said what it had to say.
  }
  await response.discard();
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
}

function parseErrors(text: string): readonly { readonly code: string; readonly message: string }[] | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof body !== 'object' || body === null || !('errors' in body) || !Array.isArray(body.errors)) return undefined;
  const errors: readonly unknown[] = body.errors;
  return errors.slice(0, MAX_ERRORS).flatMap((error) => {
    if (typeof error !== 'object' || error === null) return [];
    return [{ code: textOf(error, 'code'), message: textOf(error, 'message') }];
  });
}

function textOf(error: object, key: string): string {
  const value: unknown = Reflect.get(error, key);
  return typeof value === 'string' ? value : '';
}

function printable(text: string): string | undefined {
  const short = escapeText(redactAuthorization(text).trim()).slice(0, MAX_TEXT);
  return short === '' ? undefined : short;
}
