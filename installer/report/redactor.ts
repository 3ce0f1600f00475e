/** The last line of defence: secrets are kept out of messages by allow-list, and what slips through is removed from the finished text. */
import { escapeText } from '../core/redact.ts';

/** Shorter text occurs by chance in every line; replacing it would destroy the log and tell the reader what it was. */
const MIN_SECRET_LENGTH = 4;
const MASK = '***';

/**
 * A function that replaces every occurrence of a secret with `***`: as it is, URL-encoded, escaped as in a JSON or logfmt string, and in
 * base64 or base64url, alone or inside a longer encoded text (`user:secret`). `secrets` is asked at each call, as they are loaded over
 * time; those below MIN_SECRET_LENGTH characters are ignored. Overlapping occurrences are removed whole.
 */
export function createRedactor(secrets: () => readonly string[]): (text: string) => string {
  const known = new Map<string, readonly string[]>();
  return (text) => {
    const spans: Span[] = [];
    for (const secret of secrets()) {
      if (secret.length < MIN_SECRET_LENGTH) continue;
      const forms = known.get(secret) ?? formsOf(secret);
      known.set(secret, forms);
      for (const form of forms) spans.push(...occurrences(text, form));
    }
    return spans.length === 0 ? text : mask(text, spans);
  };
}

interface Span {
  readonly from: number;
  readonly to: number;
}

function occurrences(text: string, form: string): Span[] {
  const found: Span[] = [];
  // Advancing by one finds overlapping occurrences (`abab` in `ababab`), which replaceAll would leave half of.
  for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + 1))
    found.push({ from: at, to: at + form.length });
  return found;
}

function mask(text: string, spans: readonly Span[]): string {
  let result = '';
  let end = 0;
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    if (span.to <= end) continue;
    if (span.from >= end) result += text.slice(end, span.from) + MASK;
    end = span.to;
  }
  return result + text.slice(end);
}

function formsOf(secret: string): readonly string[] {
  const escaped = escapeText(secret);
  const encoded = percentEncode(secret);
  const forms = new Set([
    secret,
    escaped,
    quoted(secret),
    quoted(escaped),
    encoded,
    encoded.replaceAll(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase()),
    encoded.replaceAll('%20', '+'),
    encodeURI(secret.toWellFormed()),
    ...base64Forms(secret),
  ]);
  return [...forms].filter((form) => form.length >= MIN_SECRET_LENGTH);
}

function quoted(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** encodeURIComponent that also encodes what RFC 3986 section 2.2 reserves; a lone surrogate must not throw here. */
function percentEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Whole, and for each of the three alignments the characters that do not depend on what stands before and after. */
function base64Forms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const whole = bytes.toString('base64');
  const fragments = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    const isAligned = (shift + bytes.length) % 3 === 0;
    return text.slice(Math.ceil((shift * 8) / 6), isAligned ? undefined : -1);
  });
  const long = [whole, whole.replaceAll('=', ''), ...fragments].filter((text) => text.length >= MIN_SECRET_LENGTH);
  return long.flatMap((text) => [text, text.replaceAll('+', '-').replaceAll('/', '_')]);
}
