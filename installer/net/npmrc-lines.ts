/** The text of an `.npmrc`: ini syntax, `${VAR}`, line numbers. Pure. */
import { parse } from 'ini';
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';

export interface NpmrcLine {
  /** 1-based. */
  readonly line: number;
  /** Without the `[]` of a list. */
  readonly key: string;
  readonly value: string;
  /** Variables the value or key names that are not set or may not be read. */
  readonly unset: readonly string[];
  /** False where the line has no `=`. */
  readonly hasValue: boolean;
}

/** Where a fault is; never what stands there. */
export interface NpmrcPlace {
  readonly file: string;
  readonly line: number;
  readonly key: string;
}

export interface NpmrcText {
  readonly lines: readonly NpmrcLine[];
  /** Line of the first `[section]`; npm ignores what follows it. */
  readonly section: number | undefined;
}

/**
 * Reads ini lines one by one, so that each keeps its number, and expands variables as npm does: `${NAME}`, `${NAME?}` (empty when unset),
 * an odd number of backslashes before it escapes. Only names in `variables` are known. npm config, "ini files".
 */
export function parseNpmrc(text: string, variables: Readonly<Record<string, string>>): NpmrcText {
  const lines: NpmrcLine[] = [];
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (/^\[[^\]]*\]\s*$/.test(raw)) return { lines, section: index + 1 };
    const line = parseLine(raw, index + 1, variables);
    if (line !== undefined) lines.push(line);
  }
  return { lines, section: undefined };
}

function parseLine(raw: string, line: number, variables: Readonly<Record<string, string>>): NpmrcLine | undefined {
  const parsed: Readonly<Record<string, unknown>> = parse(raw);
  const [key] = Object.keys(parsed);
  if (key === undefined) return undefined;
  const unset = new Set<string>();
  const value = parsed[key];
  const text = Array.isArray(value) ? String(value[0]) : String(value);
  return {
    line,
    key: expand(key, variables, unset).trim(),
    value: expand(text, variables, unset),
    unset: [...unset],
    hasValue: raw.includes('='),
  };
}

function expand(text: string, variables: Readonly<Record<string, string>>, unset: Set<string>): string {
  return text.replace(
    /(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}/g,
    (written: string, escapes: string, name: string, optional: string | undefined) => {
      if (escapes.length % 2 === 1) return written.slice((escapes.length + 1) / 2);
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
      if (value === undefined && optional === undefined) unset.add(name);
      return (
        escapes.slice(escapes.length / 2) + (value ?? (optional === undefined ? written.slice(escapes.length) : ''))
      );
    },
  );
}

/** CredentialsInvalid about one line: file, line and key, and the corrected line as fix; the value never gets here. */
export function npmrcInvalid(
  place: NpmrcPlace,
  fault: string,
  more: { fix?: string; cause?: unknown } = {},
): InstallError {
  const { fix, cause } = more;
  const file = escapeText(place.file);
  const key = escapeText(place.key.replace(/^\/\/[^/]*@/, '//…@')); // userinfo in a key is a secret too
  return new InstallError('CredentialsInvalid', `${file} line ${place.line}: ${key} ${fault}`, {
    details: { file, line: place.line, key, ...(fix === undefined ? {} : { fix }) },
    ...(cause === undefined ? {} : { cause }),
  });
}
