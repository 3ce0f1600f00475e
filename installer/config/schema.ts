/**
 * The wire file and the `dynamicPlugins` block of Helm values as zod schemas: the program validates with them and the chart's schema is
 * made from them, so the two cannot disagree (docs/contracts.md, "The wire file").
 */
import { z } from 'zod';
import { VERIFIERS } from '../verify/index.ts';

const text = (description: string): z.ZodString => z.string().describe(description);
const flag = (description: string): z.ZodOptional<z.ZodBoolean> => z.boolean().optional().describe(description);

/** Keys of checks come from the verify registry: a new kind of verification is a new key here without a change. */
const checkKeys = Object.fromEntries(VERIFIERS.map(({ key, schema }) => [key, schema.optional()]));

/** One element of `plugins[]`. */
export const entrySchema = z
  .strictObject({
    package: text('oci://HOST/REPO:TAG, npm:NAME@VERSION, https://HOST/x.tgz or ./dir').min(1),
    enabled: flag('false: listed, but not installed; excludes disabled'),
    disabled: flag('true: listed, but not installed (RHDH, Butler); excludes enabled'),
    continueOnError: flag('failure policy of this entry; default: the global one'),
    pluginConfig: z.record(z.string(), z.unknown()).nullable().optional().describe('app-config fragment'),
    pullPolicy: z
      .enum(['IfNotPresent', 'Always'])
      .optional()
      .describe('Always: look an unpinned reference up at each start'),
    forceDownload: flag('RHDH: true means pullPolicy Always'),
    dependencies: z
      .array(z.strictObject({ ref: text('name of what the operator provides') }))
      .optional()
      .describe('RHDH: read by its operator (ref: sonataflow), without effect here'),
    format: z.enum(['backstage', 'forgeportal', 'port']).optional().describe('portal family; default: detected'),
    ...checkKeys,
  })
  .meta({ id: 'entry' });

const globals = {
  continueOnError: flag('global failure policy, default false'),
  allowedSources: z
    .array(text('oci://HOST/ORG, npm:@scope or https://HOST/PATH'))
    .optional()
    .describe('patterns; empty admits every source'),
  requireIntegrity: flag('false only for lists that pin nothing; default true'),
  includes: z
    .array(text('path, relative to this file').min(1))
    .optional()
    .describe('lower-priority lists of the same shape (RHDH)'),
};

/** The wire file. */
export const wireSchema = z.strictObject({ ...globals, plugins: z.array(entrySchema).optional() });

/** An included file: what it lists counts, policy stays with the including file. */
const includedSchema = z.strictObject({ includes: globals.includes, plugins: z.array(entrySchema).optional() });

const secretRef = (what: string): z.ZodOptional<z.ZodObject> =>
  z.strictObject({ existingSecret: z.string().optional(), key: z.string().optional() }).optional().describe(what);
const enabledSwitch = { enabled: z.boolean().optional() };
const quantity = z.string().optional();
const environment = z.record(
  z.string(),
  z.union([z.string(), z.looseObject({ valueFrom: z.record(z.string(), z.unknown()) })]),
);

/** Keys of the block that only the chart reads. */
const chartKeys = {
  ...enabledSwitch,
  rootDirectory: text('plugin root; empty: /dynamic-plugins-root').optional(),
  rolloutToken: text('any change rolls the pods').optional(),
  config: z
    .strictObject({
      mode: z.enum(['podTemplate', 'env', 'configMap', 'existing']).optional(),
      mountPath: z.string().optional(),
      existingConfigMap: z.strictObject({ name: z.string().optional(), key: z.string().optional() }).optional(),
    })
    .optional()
    .describe('how the list travels to the pod'),
  installer: z
    .strictObject({
      registry: z.string().optional(),
      image: z.string().optional(),
      tag: z.string().optional(),
      digest: z
        .string()
        .regex(/^(?:|sha256:[0-9a-f]{64})$/)
        .optional(),
      pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
      continueOnError: z.boolean().nullable().optional(),
      logFormat: z.enum(['', 'logfmt', 'json', 'pretty']).optional(),
      logLevel: z.enum(['', 'debug', 'info', 'warn', 'error']).optional(),
      deadline: z
        .string()
        .regex(/^(?:|\d{1,10}(?:ms|s|m|h))$/)
        .optional(),
      concurrency: z.union([z.int().min(1).max(64), z.literal('')]).optional(),
      extraEnv: environment.optional(),
      resources: z.record(z.string(), z.unknown()).optional(),
      securityContext: z.record(z.string(), z.unknown()).optional(),
    })
    .optional()
    .describe('image and settings of the init container'),
  volume: z
    .strictObject({
      type: z.enum(['emptyDir', 'ephemeral', 'existingClaim']).optional(),
      sizeLimit: quantity,
      medium: z.enum(['', 'Memory']).optional(),
      size: quantity,
      storageClass: z.string().optional(),
      existingClaim: z.string().optional(),
    })
    .optional(),
  auth: z
    .strictObject({
      npmrc: secretRef('.npmrc from a Secret'),
      docker: z
        .record(z.string(), z.strictObject({ existingSecret: z.string(), key: z.string().optional() }).nullable())
        .optional()
        .describe('free name to a Secret with a docker config'),
    })
    .optional(),
  ca: z
    .strictObject({
      existingConfigMap: z.string().optional(),
      existingSecret: z.string().optional(),
      key: z.string().optional(),
    })
    .optional(),
  proxy: z
    .strictObject({
      http: z
        .string()
        .regex(/^[^@]*$/)
        .optional(),
      https: z
        .string()
        .regex(/^[^@]*$/)
        .optional(),
      noProxy: z.string().optional(),
    })
    .optional()
    .describe('proxy of the installer; credentials through installer.extraEnv'),
  events: z
    .strictObject({ ...enabledSwitch, onSuccess: z.boolean().optional() })
    .optional()
    .describe('Kubernetes Events'),
};

/** The `dynamicPlugins` block: the wire file, entries by name, and what only the chart reads; a superset of Butler's block. */
export const blockSchema = z.strictObject({
  ...globals,
  continueOnError: globals.continueOnError.unwrap().nullable().optional(),
  plugins: z.array(entrySchema).optional(),
  pluginsByName: z
    .record(z.string(), entrySchema.nullable())
    .optional()
    .describe('free name to entry, for values in layers; null removes one'),
  ...chartKeys,
});

/** Which schema a document has to match. */
export const SHAPES = { wire: wireSchema, included: includedSchema, block: blockSchema } as const;
export type Shape = keyof typeof SHAPES;
