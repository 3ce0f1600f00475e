const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const TIME = String.raw`(?<time>(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60))`;
/** The three date forms a recipient must accept: IMF-fixdate, RFC 850, asctime. RFC 9110, section 5.6.7. */
const DATE_FORMS: readonly RegExp[] = [
  String.raw`[a-z]{3}, (?<day>\d{2}) (?<month>[a-z]{3}) (?<year>\d{4}) ${TIME} gmt`,
  String.raw`[a-z]{6,9}, (?<day>\d{2})-(?<month>[a-z]{3})-(?<year>\d{2}) ${TIME} gmt`,
  String.raw`[a-z]{3} (?<month>[a-z]{3}) (?<day>[ \d]\d) ${TIME} (?<year>\d{4})`,
].map((form) => new RegExp(`^${form}$`, 'i'));

/**
 * Parses `Retry-After` (seconds or an HTTP date) into milliseconds from `now`, at least 0; undefined when it is absent or malformed.
 * RFC 9110, section 10.2.3.
 */
export function parseRetryAfter(header: string | undefined, now: Date): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  const at = parseHttpDate(text, now);
  return at === undefined ? undefined : Math.max(0, at - now.getTime());
}

/** Milliseconds since the epoch. `Date.parse` would read asctime as local time and accept much else. */
function parseHttpDate(text: string, now: Date): number | undefined {
  for (const form of DATE_FORMS) {
    const groups = form.exec(text)?.groups;
    if (groups !== undefined) return dateOf(groups, now);
  }
  return undefined;
}

function dateOf(groups: Readonly<Record<string, string>>, now: Date): number | undefined {
  const month = MONTHS.indexOf((groups['month'] ?? '').toLowerCase());
  const day = Number(groups['day']);
  const [hour = 0, minute = 0, second = 0] = (groups['time'] ?? '').split(':').map(Number);
  if (month < 0 || day < 1) return undefined;
  const at = new Date(Date.UTC(fullYear(groups['year'] ?? '', now), month, day, hour, minute, second));
  return at.getUTCMonth() === month ? at.getTime() : undefined; // 30 February rolls over
}

/** Two digits that seem more than 50 years ahead are in the past. RFC 9110, section 5.6.7. */
function fullYear(text: string, now: Date): number {
  if (text.length === 4) return Number(text);
  const year = Math.floor(now.getUTCFullYear() / 100) * 100 + Number(text);
  return year > now.getUTCFullYear() + 50 ? year - 100 : year;
}
