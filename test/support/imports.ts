/** The import graph of installer/, read from the text of its files. */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { filesBelow, PROJECT } from './documents.ts';

export interface SourceFile {
  /** Relative to `installer/`, in case of the project's own files. */
  readonly path: string;
  /** First folder of the path; the file's name for what lies at the top. */
  readonly folder: string;
  /** Without comments, texts kept. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written: `../core/errors.ts`, `node:fs`, `undici`. */
  readonly specifier: string;
  /** Relative to `installer/` when the import is of a file; begins with `../` when it leaves it. */
  readonly file: string | undefined;
  /** What stands between `import` and `from`. */
  readonly names: string;
}

export function installerFiles(): readonly SourceFile[] {
  return filesBelow('installer', ['.ts']).map((name) => {
    const path = name.slice('installer/'.length);
    const code = withoutComments(readFileSync(join(PROJECT, name), 'utf8'));
    return { path, folder: folderOf(path), code, imports: importsOf(path, code) };
  });
}

/** The folder a file of `installer/` belongs to. */
export function folderOf(path: string): string {
  return path.split('/')[0] ?? path;
}

/** Block comments, and lines that are nothing but a comment; what follows code on a line stays, as it may be part of a text. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*\/\*[\s\S]*?\*\//gm, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

function importsOf(path: string, code: string): readonly Import[] {
  const found = [
    ...code.matchAll(/^(?:import|export)\s([^;'"]*?)from\s+'([^']+)'/gm),
    ...code.matchAll(/()\bimport\s*\(\s*'([^']+)'/g),
    ...code.matchAll(/^()import\s+'([^']+)'/gm),
  ];
  return found.map(([, names = '', specifier = '']) => ({
    specifier,
    names: names.trim(),
    file: specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : undefined,
  }));
}
