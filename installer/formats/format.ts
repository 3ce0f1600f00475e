/** What formats share: reading JSON that strangers wrote, and saying exactly what is wrong with it. */
import { InstallError } from '../core/errors.ts';
import type { Reason } from '../core/reasons.ts';
import { escapeText } from '../core/redact.ts';
import type { Tree } from '../core/types.ts';

/** A parsed JSON object that is still foreign: every field is unknown. */
export interface JsonFile {
  /** Path inside the plugin, for messages. */
  readonly file: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface JsonFileRules {
  readonly file: string;
  /** Larger files are refused by the tree (EntryTooLarge). */
  readonly maxBytes: number;
  readonly missing: { readonly reason: Reason; readonly fix?: string };
  readonly invalid: { readonly reason: Reason; readonly fix?: string };
}

/** Reads a JSON object. Throws the given reasons when the file is absent, not JSON or not an object; EntryTooLarge beyond `maxBytes`. */
export async function readJsonFile(tree: Tree, rules: JsonFileRules): Promise<JsonFile> {
  const { file } = rules;
  const text = await tree.readText(file, rules.maxBytes);
  if (text === undefined) {
    throw new InstallError(rules.missing.reason, `${file} is missing`, {
      details: { file, fix: rules.missing.fix },
    });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    const fault = cause instanceof Error ? shown(cause.message) : 'it cannot be parsed';
    throw new InstallError(rules.invalid.reason, `${file} is not valid JSON: ${fault}`, {
      details: { file, fix: rules.invalid.fix },
      cause,
    });
  }
  if (!isObject(parsed)) throw fieldError(rules.invalid.reason, { file, jsonPath: '', wanted: 'an object' }, parsed);
  return { file, fields: parsed };
}

/** Where a value stands and what it should be. */
export interface FieldRule {
  readonly file: string;
  /** Dotted, as in `metaData.remoteEntry.name`; empty for the document. */
  readonly jsonPath: string;
  /** `a non-empty string`. */
  readonly wanted: string;
  readonly fix?: string;
}

/** The error for a field with the wrong value; `details` has `file`, `jsonPath`, `expected` and `found`. */
export function fieldError(reason: Reason, rule: FieldRule, found: unknown): InstallError {
  const { file, jsonPath, wanted } = rule;
  const where = jsonPath === '' ? file : `${file}: ${jsonPath}`;
  const value = describe(found);
  return new InstallError(reason, `${where} must be ${wanted}, found ${value}`, {
    details: { file, jsonPath, wanted, found: value, fix: rule.fix },
  });
}

/** The value at `rule.jsonPath` if it is a string with content; throws `reason` otherwise. */
export function requireString(reason: Reason, rule: Omit<FieldRule, 'wanted'>, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw fieldError(reason, { ...rule, wanted: 'a non-empty string' }, value);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A path that a manifest states, relative to `base`, as a path inside the plugin: POSIX, without `.` and `..`. Undefined when it is
 * absolute, empty, holds control characters, or leaves the plugin directory: Backstage resolves such paths without asking.
 */
export function pathInside(base: string, stated: string): string | undefined {
  if (stated === '' || stated.startsWith('/') || escapeText(stated) !== stated) return undefined;
  const segments: string[] = [];
  for (const segment of `${base}/${stated}`.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') segments.push(segment);
    else if (segments.pop() === undefined) return undefined;
  }
  return segments.length === 0 ? undefined : segments.join('/');
}

const MAX_SHOWN = 120;

/** Foreign text for a message: escaped, at most 120 characters. */
export function shown(text: string): string {
  const escaped = escapeText(text);
  return escaped.length > MAX_SHOWN ? `${escaped.slice(0, MAX_SHOWN)}…` : escaped;
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  return shown(JSON.stringify(value));
}
