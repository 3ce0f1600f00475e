/** docs/values.schema.json from the zod schemas: the wire file and the block of Helm values. Run alone, it writes only this file. */
import { fileURLToPath } from 'node:url';
import { jsonSchemaText } from '../config/json-schema.ts';
import { type GeneratedFile, runGenerator } from './generated-file.ts';

export const schemaFile: GeneratedFile = {
  path: fileURLToPath(new URL('../../docs/values.schema.json', import.meta.url)),
  name: 'docs/values.schema.json',
  generate: () => jsonSchemaText(),
};

if (import.meta.main) process.exitCode = await runGenerator([schemaFile], 'node installer/tools/schema.ts');
