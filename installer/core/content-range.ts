/** A satisfied byte range; `end` is inclusive, `size` undefined where the server wrote `*`. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly size: number | undefined;
}

/**
 * Parses `Content-Range: bytes START-END/SIZE` or `…/*`, or returns undefined for anything else: another unit, an unsatisfied range, an
 * end before the start or beyond the size, numbers beyond 2^53. RFC 9110, section 14.4.
 */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^bytes[ \t]+(\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i.exec(header.trim());
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]);
  const size = match[3] === '*' ? undefined : Number(match[3]);
  const isSafe = [start, end, size ?? 0].every(Number.isSafeInteger);
  if (!isSafe || end < start || (size !== undefined && end >= size)) return undefined;
  return { start, end, size };
}

/** Parses `Content-Length`, or returns undefined for anything that is not one plain decimal number. RFC 9110, section 8.6. */
export function parseContentLength(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,16}$/.test(header)) return undefined;
  const length = Number(header);
  return Number.isSafeInteger(length) ? length : undefined;
}
