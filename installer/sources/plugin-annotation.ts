/** `io.backstage.dynamic-packages`: which plugins an image holds, as the Red Hat Developer Hub tooling writes it. */
import * as z from 'zod';
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import type { ArchivePath } from '../core/types.ts';
import { parsePluginPath } from '../oci/reference.ts';

export const PLUGIN_ANNOTATION = 'io.backstage.dynamic-packages';

const MAX_PLUGINS = 1000;
const schema = z.array(z.record(z.string(), z.looseObject({}))).max(MAX_PLUGINS);

/**
 * Plugin paths of the annotation, in order: base64 of a JSON array of `{path: {name, version, …}}`. Undefined when none of the annotation
 * maps has it; the first that has it counts. Throws ManifestInvalid when it is malformed or a path breaks the rules of `!PATH`.
 */
export function pluginPaths(
  maps: readonly Readonly<Record<string, string>>[],
  label: string,
): readonly ArchivePath[] | undefined {
  const value = maps.map((annotations) => annotations[PLUGIN_ANNOTATION]).find((found) => found !== undefined);
  if (value === undefined) return undefined;
  const result = schema.safeParse(decode(value, label));
  if (!result.success) throw invalid(label, 'is not an array of {path: {…}}', result.error);
  return [...new Set(result.data.flatMap((element) => Object.keys(element)))].map((path) => {
    const parsed = parsePluginPath(path);
    if ('fault' in parsed)
      throw invalid(label, `holds the path "${escapeText(path.slice(0, 100))}", which ${parsed.fault}`);
    return parsed.value;
  });
}

function decode(value: string, label: string): unknown {
  const bytes = Buffer.from(value, 'base64');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(label, 'is not base64 of JSON', error);
  }
}

function invalid(label: string, fault: string, cause?: unknown): InstallError {
  return new InstallError('ManifestInvalid', `the annotation ${PLUGIN_ANNOTATION} of ${label} ${fault}`, {
    details: { manifest: label, annotation: PLUGIN_ANNOTATION, cause: fault },
    ...(cause === undefined ? {} : { cause }),
  });
}
