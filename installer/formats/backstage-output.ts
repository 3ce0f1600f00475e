/** `app-config.dynamic-plugins.yaml`: what the plugins of the set add to the portal's configuration. */
import { createHash } from 'node:crypto';
import type { AbsPath, SealedSet, SetOutput } from '../core/types.ts';
import { isObject } from './format.ts';

const APP_CONFIG_NAME = 'app-config.dynamic-plugins.yaml';

const HEADER =
  '# Written by portal-plugins from the pluginConfig of the installed plugins. Changes are lost at the next start.\n';
/** Raised when the same configuration would be written differently, so that the file is written again. */
const LAYOUT = 1;

/** The file, also for an empty set: the portal is started with it as an argument. Equal sets give equal bytes. */
export async function assembleAppConfig(set: SealedSet, root: AbsPath): Promise<readonly SetOutput[]> {
  const { toYaml } = await import('./yaml-text.ts');
  return [{ name: APP_CONFIG_NAME, content: HEADER + toYaml(configOf(set, root)) }];
}

/** sha256 hex; equal for sets that give the same file. */
export function fingerprintAppConfig(set: SealedSet, root: AbsPath): string {
  return createHash('sha256')
    .update(canonical([LAYOUT, configOf(set, root)]))
    .digest('hex');
}

type Config = Readonly<Record<string, unknown>>;

/** The merge of the set's fragments; `dynamicPlugins.rootDirectory` is ours whatever a fragment says, its siblings stay. */
function configOf(set: SealedSet, root: AbsPath): Config {
  const merged = set.appConfig.mergeOf(set.ready.map(({ entry }) => entry.index));
  const section = merged['dynamicPlugins'];
  return { ...merged, dynamicPlugins: { ...(isObject(section) ? section : {}), rootDirectory: root } };
}

/** JSON with sorted keys, in which all values of YAML differ: JSON itself writes .nan and .inf as null. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(',')}]`;
  if (isObject(value)) {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
  }
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  return JSON.stringify(value) ?? 'undefined';
}
