/** Fills the marked regions of the documents from the tables in code. `--check` only compares and names the command to run. */
import { fileURLToPath } from 'node:url';
import { reasonsTable, settingsTable } from '../config/tables.ts';
import { type GeneratedFile, runGenerator } from './generated-file.ts';
import { replaceRegion } from './marked-region.ts';
import { schemaFile } from './schema.ts';

const region = (name: string, marker: string, table: () => string): GeneratedFile => ({
  path: fileURLToPath(new URL(`../../${name}`, import.meta.url)),
  name,
  generate: (present) => replaceRegion(present ?? '', marker, table()),
});

const FILES: readonly GeneratedFile[] = [
  region('docs/configuration.md', 'settings', settingsTable),
  region('docs/exit-codes.md', 'reasons', reasonsTable),
  schemaFile,
];

process.exitCode = await runGenerator(FILES, 'npm run docs');
