/** What the rows of the settings table are made with. */
import type { CommandName, SettingRow } from './setting-kinds.ts';

/** Commands that need a list; `explain` needs nothing. */
export const ALL: readonly CommandName[] = ['install', 'verify'];
/** Commands that touch the plugin volume. */
export const VOLUME: readonly CommandName[] = ['install'];
export const PREFIX = 'PORTAL_PLUGINS_';

/** A row with flag and variable made from one name: `max-files` → `--max-files`, PORTAL_PLUGINS_MAX_FILES. */
export function row(
  name: string,
  group: SettingRow['group'],
  commands: readonly CommandName[],
  texts: readonly [help: string, why?: string, ecosystem?: readonly string[]],
): SettingRow {
  const [help, why = '', ecosystem = []] = texts;
  return {
    flag: name,
    variable: PREFIX + name.toUpperCase().replaceAll('-', '_'),
    ecosystem,
    group,
    commands,
    help,
    why,
  };
}
