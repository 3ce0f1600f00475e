/** zod's issues → problems an operator can act on: position, value, nearest key, what to write. Pure. */
import { z } from 'zod';
import { redactReference } from '../core/redact.ts';
import { keyMark, type ConfigNode, type MapNode, markAt, type Mark, type Plain, toPlain } from './nodes.ts';
import { type Problems, quoted } from './problems.ts';
import { formatPath } from './reading.ts';
import { nearest } from './suggest.ts';

/** A value to check, and what messages call the place it stands at. */
export interface Subject {
  readonly schema: z.ZodType;
  readonly node: MapNode;
  /** Steps in front of the value's own: `['dynamicPlugins', 'plugins', 3]`. */
  readonly trail: readonly (string | number)[];
}

/**
 * Validates a map and reports every issue. Returns the top-level keys that are at fault; empty means valid. Unknown keys are reported
 * one by one, with the nearest known key.
 */
export function validate({ schema, node, trail }: Subject, problems: Problems): ReadonlySet<string> {
  const result = schema.safeParse(toPlain(node));
  const atFault = new Set<string>();
  if (result.success) return atFault;
  for (const issue of result.error.issues) {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) atFault.add(String(path[0] ?? key));
      const other = trail.length + path.length === 0 ? issue.keys.find((key) => OTHER_DOCUMENTS.has(key)) : undefined;
      // One word about a document of another kind says more than one about each of its keys.
      for (const key of other === undefined ? issue.keys : [other]) {
        reportUnknown({ schema, node, trail }, [...path, key], problems);
      }
      continue;
    }
    const { what, fix } = describe(issue, plainAt(node, path));
    atFault.add(String(path[0]));
    problems.add({ reason: 'ListInvalid', mark: markAt(node, path), path: formatPath([...trail, ...path]), what, fix });
  }
  return atFault;
}

type Steps = readonly (string | number)[];

function reportUnknown({ schema, node, trail }: Subject, path: Steps, problems: Problems): void {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const known = knownKeys(schema, parent);
  const near = nearest(key, known);
  const mark = keyMarkAt(node, parent, key);
  const what = `unknown key ${quoted(key)}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
  const fix =
    (trail.length + parent.length === 0 ? OTHER_DOCUMENTS.get(key) : undefined) ??
    (near === undefined ? `remove it; known are ${known.join(', ')}` : `write ${near}`);
  problems.add({ reason: 'ListInvalid', mark, path: formatPath([...trail, ...parent]), what, fix });
}

/** Root keys that show that the whole document is of another kind, and what to do then. */
const OTHER_DOCUMENTS: ReadonlyMap<string, string> = new Map([
  ['dynamicPlugins', 'this is a file of Helm values: pass it with --values'],
  ['global', 'this is a file of Helm values: pass it with --values'],
  ['apiVersion', 'this is a Kubernetes object: pass the list that stands inside it'],
]);

/** Whether an unknown root key says what became of `plugins`, so that its absence need not be reported as well. */
export function explainsMissingPlugins(key: string): boolean {
  return OTHER_DOCUMENTS.has(key) || nearest(key, ['plugins']) !== undefined;
}

function keyMarkAt(node: MapNode, parent: Steps, key: string): Mark {
  const holder = nodeAt(node, parent);
  return holder === undefined ? node.mark : keyMark(holder, key);
}

function nodeAt(node: ConfigNode, path: Steps): ConfigNode | undefined {
  let found: ConfigNode | undefined = node;
  for (const step of path) {
    if (found?.kind === 'list') found = found.items[Number(step)];
    else if (found?.kind === 'map') found = found.entries.get(String(step))?.value;
    else return undefined;
  }
  return found;
}

function plainAt(node: MapNode, path: Steps): Plain | undefined {
  const found = nodeAt(node, path);
  return found === undefined ? undefined : toPlain(found);
}

const KINDS: Readonly<Record<string, { readonly name: string; readonly fix: string }>> = {
  string: { name: 'text', fix: 'write it in quotes' },
  boolean: { name: 'true or false', fix: 'write true or false, without quotes' },
  array: { name: 'a list', fix: 'write a list: [] or lines that start with -' },
  object: { name: 'a map', fix: 'write a map: key: value' },
  record: { name: 'a map', fix: 'write a map: key: value' },
  int: { name: 'a whole number', fix: 'write a whole number' },
  number: { name: 'a number', fix: 'write a number' },
};

function describe(issue: z.core.$ZodIssue, value: Plain | undefined): { readonly what: string; readonly fix: string } {
  const found = value === undefined ? 'nothing' : shown(value);
  if (issue.code === 'invalid_type') {
    const kind = KINDS[issue.expected] ?? { name: issue.expected, fix: `write ${issue.expected}` };
    if (value === undefined)
      return { what: `${String(issue.path.at(-1))} is missing`, fix: `add ${String(issue.path.at(-1))}` };
    return { what: `expected ${kind.name}, found ${found}`, fix: kind.fix };
  }
  if (issue.code === 'invalid_value') {
    const choices = issue.values.map((choice) => (choice === '' ? '""' : String(choice)));
    const near = typeof value === 'string' ? nearest(value, choices) : undefined;
    return { what: `expected ${choices.join(', ')}; found ${found}`, fix: `write ${near ?? choices.join(' or ')}` };
  }
  if (issue.code === 'too_small' && value === '') return { what: 'the text is empty', fix: 'write a value' };
  if (issue.code === 'invalid_format')
    return { what: `${found} is not in the expected form`, fix: `match ${issue.pattern ?? issue.format}` };
  return {
    what: `${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}; found ${found}`,
    fix: 'correct the value',
  };
}

/** A scalar as written, without userinfo of a URL; of lists and maps only that they are some: they may be long, and may hold secrets. */
function shown(value: Plain): string {
  if (typeof value === 'string') return quoted(redactReference(value));
  if (typeof value !== 'object' || value === null) return quoted(value);
  return Array.isArray(value) ? 'a list' : 'a map';
}

/** Keys the schema knows at a path; for suggestions only. */
function knownKeys(schema: z.core.$ZodType, path: Steps): readonly string[] {
  const inner = unwrapped(schema);
  const [step, ...rest] = path;
  if (inner instanceof z.ZodObject) {
    if (step === undefined) return Object.keys(inner.shape);
    const below: z.core.$ZodType | undefined = inner.shape[String(step)];
    return below === undefined ? [] : knownKeys(below, rest);
  }
  if (step === undefined) return [];
  if (inner instanceof z.ZodArray) return knownKeys(inner.element, rest);
  if (inner instanceof z.ZodRecord) return knownKeys(inner.valueType, rest);
  return [];
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return unwrapped(schema.unwrap());
  return schema;
}
