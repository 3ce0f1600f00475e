/** The project's documents, taken apart as far as tests ask about them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

export interface Block {
  /** Word after the opening fence; empty when there is none. */
  readonly language: string;
  readonly content: string;
  /** 1-based line of the opening fence. */
  readonly line: number;
  /** `NAME` of a comment `<!-- code: NAME -->` right above it. */
  readonly snippet: string | undefined;
}

export interface Document {
  /** Relative to the project. */
  readonly path: string;
  readonly text: string;
  /** Everything outside of fenced blocks, code spans kept. */
  readonly prose: string;
  readonly blocks: readonly Block[];
  readonly headings: readonly string[];
}

/** README, CHANGELOG, docs and the READMEs of the examples. */
export function documents(): readonly Document[] {
  const found = ['README.md', 'CHANGELOG.md'];
  for (const folder of ['docs', 'examples']) {
    const names = readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' });
    found.push(...names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name)));
  }
  return found.toSorted().map(readDocument);
}

/** One document by its path in the project. */
export function readDocument(path: string): Document {
  const text = readFileSync(join(PROJECT, path), 'utf8');
  const prose: string[] = [];
  const blocks: Block[] = [];
  let open: { language: string; line: number; snippet: string | undefined; content: string[] } | undefined;
  let snippet: string | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^```(\w*)/.exec(line);
    if (open !== undefined) {
      if (fence === null) open.content.push(line);
      else {
        blocks.push({ ...open, content: open.content.join('\n') });
        open = undefined;
      }
    } else if (fence !== null) {
      open = { language: fence[1] ?? '', line: index + 1, snippet, content: [] };
      snippet = undefined;
    } else {
      prose.push(line);
      const mark = /^<!-- code: ([\w-]+) -->$/.exec(line)?.[1];
      if (mark !== undefined || line !== '') snippet = mark;
    }
  }
  if (open !== undefined) throw new Error(`${path}:${open.line} opens a block that nothing closes`);
  return { path, text, prose: prose.join('\n'), blocks, headings: headingsOf(prose) };
}

function headingsOf(prose: readonly string[]): readonly string[] {
  return prose.flatMap((line) => /^#{1,6} (.+?)\s*$/.exec(line)?.[1] ?? []);
}

/** The anchors of a document, as GitHub makes them of its headings. */
export function anchorsOf({ headings }: Document): ReadonlySet<string> {
  const seen = new Map<string, number>();
  return new Set(
    headings.map((heading) => {
      const slug = heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-');
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    }),
  );
}

/** Text of code spans in prose. */
export function codeSpans({ prose }: Document): readonly string[] {
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span.replaceAll('\\|', '|'));
}

/** Rows of the first table below `<!-- table: NAME -->`, or below a heading, as cells without code marks; the head row is left out. */
export function tableRows({ prose, path }: Document, below: string): readonly (readonly string[])[] {
  const lines = prose.split('\n');
  const start = lines.findIndex((line) => line === `<!-- table: ${below} -->` || line.replace(/^#+ /, '') === below);
  if (start === -1) throw new Error(`${path} has neither a table nor a heading called ${below}`);
  const first = lines.findIndex((line, index) => index > start && line.startsWith('|'));
  const end = lines.findIndex((line, index) => index > first && !line.startsWith('|'));
  return lines.slice(first + 2, end === -1 ? undefined : end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** Files below a folder of the project with one of these endings, relative to the project; no packages, no build output. */
export function filesBelow(folder: string, endings: readonly string[]): readonly string[] {
  const root = join(PROJECT, folder);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(PROJECT, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes('node_modules'))
    .toSorted();
}
