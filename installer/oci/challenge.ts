/** WWW-Authenticate: RFC 9110 section 11.6.1, several challenges in one header and several headers. */

export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case; the first of a repeated name counts, except `scope`, whose values are joined by a space. */
  readonly params: ReadonlyMap<string, string>;
}

/**
 * Reads all challenges of all headers in order. Foreign input: never throws, takes linear time, and drops what it cannot read up to the
 * next comma.
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap((header) => parseHeader(header));
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[\t ]*(?:,|$))/y;
const BLANK = /[\t ]*/y;
const SEPARATORS = /[\t ,]*/y;
const QUOTED = /"((?:[^"\\]|\\[^])*)"/y;
const TO_COMMA = /[^,]*/y;

/** One position in one header; `take` moves it when the pattern matches there. */
interface Cursor {
  at: number;
  readonly text: string;
}

interface Draft {
  readonly scheme: string;
  readonly params: Map<string, string>;
}

function parseHeader(text: string): readonly Challenge[] {
  const cursor: Cursor = { at: 0, text };
  const challenges: Draft[] = [];
  for (;;) {
    take(cursor, SEPARATORS);
    if (cursor.at >= text.length) return challenges;
    const name = take(cursor, TOKEN);
    if (name === undefined) {
      skipBroken(cursor);
      continue;
    }
    const value = readValue(cursor);
    const current = challenges.at(-1);
    if (value !== undefined) {
      if (current !== undefined) addParam(current, name.toLowerCase(), value);
      continue;
    }
    challenges.push({ scheme: name.toLowerCase(), params: new Map() });
    take(cursor, BLANK);
    take(cursor, TOKEN68); // `Negotiate YII…`: no use here, but it must not be read as a parameter name
  }
}

/** The value after `=`, or undefined when no `=` follows: then the name was a scheme. */
function readValue(cursor: Cursor): string | undefined {
  const before = cursor.at;
  take(cursor, BLANK);
  if (cursor.text[cursor.at] !== '=') {
    cursor.at = before;
    return undefined;
  }
  cursor.at += 1;
  take(cursor, BLANK);
  const quoted = take(cursor, QUOTED);
  if (quoted !== undefined) return quoted.slice(1, -1).replace(/\\([^])/g, '$1');
  // Some registries leave the quotes off although the value is no token (realm=https://…).
  return (take(cursor, TO_COMMA) ?? '').trim();
}

function addParam(challenge: Draft, name: string, value: string): void {
  const earlier = challenge.params.get(name);
  if (earlier === undefined) challenge.params.set(name, value);
  else if (name === 'scope') challenge.params.set(name, `${earlier} ${value}`);
}

function skipBroken(cursor: Cursor): void {
  const before = cursor.at;
  take(cursor, TO_COMMA);
  if (cursor.at === before) cursor.at += 1;
}

function take(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const match = pattern.exec(cursor.text);
  if (match === null) return undefined;
  cursor.at = pattern.lastIndex;
  return match[0];
}
