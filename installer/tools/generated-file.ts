/** Files that are made from code: written, or with `--check` compared, so that they cannot drift. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { errorCode } from '../core/errors.ts';

export interface GeneratedFile {
  readonly path: string;
  /** As messages call it. */
  readonly name: string;
  /** Whole new text from the present one; undefined: there is no file yet. Formatted afterwards. */
  generate(present: string | undefined): string;
}

/** Writes or compares all files; prints one line for each that differs. Returns the exit code: 1 when `--check` found drift. */
export async function runGenerator(files: readonly GeneratedFile[], command: string): Promise<number> {
  const isCheck = process.argv.includes('--check');
  let drifted = 0;
  for (const file of files) {
    const present = await readIfThere(file.path);
    const text = formatted(file.generate(present), file.name);
    if (text === present) continue;
    drifted += 1;
    if (isCheck) process.stderr.write(`${file.name} is not current: run ${command}\n`);
    else {
      await writeFile(file.path, text);
      process.stdout.write(`wrote ${file.name}\n`);
    }
  }
  return isCheck && drifted > 0 ? 1 : 0;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** As the project's formatter leaves it: otherwise formatting would look like drift. */
function formatted(text: string, name: string): string {
  const oxfmt = fileURLToPath(new URL('../../node_modules/.bin/oxfmt', import.meta.url));
  return execFileSync(oxfmt, [`--stdin-filepath=${name}`], { cwd: ROOT, input: text, encoding: 'utf8' });
}
