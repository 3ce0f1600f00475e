/** The wire file and the values block as JSON schema draft-07, for the chart and for editors (docs/configuration.md, "Schema"). */
import { z } from 'zod';
import { blockSchema, wireSchema } from './schema.ts';

/** A JSON value of unknown shape. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * Schema of a Helm values file: `dynamicPlugins` and `global.dynamic` hold the block, other root keys are free. `definitions` has
 * `entry`, `block` and `wire`; the last one describes the wire file. Self-contained: Helm fetches no remote `$ref`.
 */
export function toJsonSchema(): JsonSchema {
  const { definitions: fromBlock, ...block } = convert(blockSchema);
  const { definitions: fromWire, ...wire } = convert(wireSchema);
  const reference = { $ref: '#/definitions/block' };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the plugin installer',
    type: 'object',
    properties: {
      dynamicPlugins: reference,
      global: { type: 'object', properties: { dynamic: reference } },
    },
    definitions: { ...asRecord(fromBlock), ...asRecord(fromWire), block, wire },
  };
}

/** The same as text, as it stands in docs/values.schema.json. */
export function jsonSchemaText(): string {
  return `${JSON.stringify(toJsonSchema(), undefined, 2)}\n`;
}

function convert(schema: z.ZodType): Readonly<Record<string, unknown>> {
  const { $schema: _, ...rest } = asRecord(z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }));
  return rest;
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(value ?? {}));
}
