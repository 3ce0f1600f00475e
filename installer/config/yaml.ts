/** Text → document with positions: bounded, strict, and without loading the YAML parser where JSON will do. */
import { open } from 'node:fs/promises';
import { errorCode, InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import { readJson } from './json-nodes.ts';
import type { ConfigNode, MapNode, TextSource } from './nodes.ts';
import { type Problems, quoted } from './problems.ts';
import { StopReading } from './reading.ts';

/** A list of 200 KiB fills an annotation; ConfigMaps end at 1 MiB. */
const MAX_LIST_BYTES = 1024 * 1024;

/**
 * Reads a document whose top is a map, or reports why there is none and returns undefined. Reported are syntax errors and warnings,
 * duplicate and dangerous keys, inexact numbers, aliases without anchor or end, and an empty document: a missing annotation arrives as an
 * empty file and must never pass for an empty list. A document with duplicate keys is still returned (the first one counts), so that its
 * other problems are found in the same run.
 */
export async function readDocument(source: TextSource, problems: Problems): Promise<MapNode | undefined> {
  try {
    const node = readJson(source, problems) ?? (await readLate(source, problems));
    if (node?.kind === 'map') return node;
    const mark = node?.mark ?? { source, offset: 0 };
    const what = node === undefined || isNull(node) ? 'the document is empty' : `expected a map, found ${named(node)}`;
    problems.add({ reason: 'ListInvalid', mark, path: '', what, fix: 'write plugins: [] for a list without plugins' });
  } catch (thrown) {
    if (!(thrown instanceof StopReading)) throw thrown;
  }
  return undefined;
}

async function readLate(source: TextSource, problems: Problems): Promise<ConfigNode | undefined> {
  const { readYaml } = await import('./yaml-nodes.ts');
  return readYaml(source, problems);
}

function isNull(node: ConfigNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

function named(node: ConfigNode): string {
  return node.kind === 'scalar' ? quoted(node.value) : `a ${node.kind}`;
}

/** Text of a variable as a source; throws ListInvalid when it is too long. */
export function sourceOf(file: string, text: string): TextSource {
  if (Buffer.byteLength(text) > MAX_LIST_BYTES) throw tooLarge(file);
  return { file, text: text.replace(/^\uFEFF/, '') };
}

/**
 * Reads a file of at most 1 MiB of UTF-8. Undefined when it does not exist; throws ListInvalid when it is a directory, too large or not
 * UTF-8, and when it cannot be read.
 */
export async function readSource(path: string): Promise<TextSource | undefined> {
  const bytes = await readBounded(path);
  if (bytes === undefined) return undefined;
  try {
    // ignoreBOM false: a leading byte order mark is dropped
    return { file: path, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (cause) {
    throw unreadable(path, 'is not UTF-8 text', { cause, fix: 'save it as UTF-8' });
  }
}

async function readBounded(path: string): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, 'r');
    if ((await file.stat()).isDirectory()) throw unreadable(path, 'is a directory', { fix: 'name the file in it' });
    const buffer = Buffer.alloc(MAX_LIST_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      ({ bytesRead: read } = await file.read(buffer, length, buffer.length - length, null));
    }
    if (length > MAX_LIST_BYTES) throw tooLarge(path);
    return buffer.subarray(0, length);
  } catch (thrown) {
    if (thrown instanceof InstallError) throw thrown;
    const code = errorCode(thrown);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(path, `cannot be read (${code ?? 'unknown error'})`, {
      cause: thrown,
      fix: 'check the mount and its permissions',
    });
  }
}

function tooLarge(file: string): InstallError {
  return unreadable(file, `is larger than ${MAX_LIST_BYTES} bytes`, {
    fix: "move large pluginConfig into the portal's own app-config",
  });
}

function unreadable(
  file: string,
  what: string,
  more: { readonly cause?: unknown; readonly fix: string },
): InstallError {
  const text = `${escapeText(file)} ${what}`;
  const options = { details: { file, fix: more.fix, problems: [`${text}. Fix: ${more.fix}`], count: 1 } };
  return new InstallError('ListInvalid', text, more.cause === undefined ? options : { ...options, cause: more.cause });
}
