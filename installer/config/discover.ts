/** Which list wins (docs/configuration.md, "Plugin list"): settings first, then the well-known places; nothing found is an error. */
import { resolve } from 'node:path';
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import type { ListSettings } from '../core/settings.ts';
import type { TextSource } from './nodes.ts';
import { readSource, sourceOf } from './yaml.ts';

/** The text of the list, not yet parsed. */
export type FoundList =
  | { readonly kind: 'wire'; readonly source: TextSource }
  | { readonly kind: 'values'; readonly sources: readonly [TextSource, ...TextSource[]] };

/** Own place, Butler Portal's, RHDH's (relative to the working directory). */
const WELL_KNOWN_PLACES: readonly string[] = [
  '/etc/portal-plugins/dynamic-plugins.yaml',
  '/etc/butler-portal/dynamic-plugins.yaml',
  './dynamic-plugins.yaml',
];

/**
 * Finds and reads the list. Throws ListNotFound naming the file that was asked for, or all places looked at; ListInvalid for what is
 * there but no readable text. A place that exists decides, even when it cannot be read: falling through would install another list.
 */
export async function findList(
  settings: ListSettings,
  cwd: string,
  places: readonly string[] = WELL_KNOWN_PLACES,
): Promise<FoundList> {
  if (settings.config !== undefined)
    return { kind: 'wire', source: await readNamed(settings.config, 'the plugin list') };
  const [first, ...rest] = settings.values;
  if (first !== undefined) {
    const read = (file: string): Promise<TextSource> => readNamed(file, 'the values file');
    return { kind: 'values', sources: [await read(first), ...(await Promise.all(rest.map(read)))] };
  }
  if (settings.inline !== undefined) return { kind: 'wire', source: sourceOf('PORTAL_PLUGINS_LIST', settings.inline) };
  const paths = places.map((place) => resolve(cwd, place));
  for (const path of paths) {
    const source = await readSource(path);
    if (source !== undefined) return { kind: 'wire', source };
  }
  throw new InstallError(
    'ListNotFound',
    `no plugin list: neither --config, --values nor PORTAL_PLUGINS_LIST is set, and there is no ${paths.map(escapeText).join(', ')}`,
    {
      details: { places: paths },
    },
  );
}

/** Reads a file that somebody named; throws ListNotFound when it is not there. */
export async function readNamed(path: string, what: string): Promise<TextSource> {
  const source = await readSource(path);
  if (source !== undefined) return source;
  throw new InstallError('ListNotFound', `${what} ${escapeText(path)} does not exist`, {
    details: { file: path, fix: `create ${path} or correct its name` },
  });
}
