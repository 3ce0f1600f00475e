/** The settings part of `--help`, from the table. */
import type { CommandName, Setting } from './setting-kinds.ts';
import { settingRows } from './settings-table.ts';

const WIDTH = 100;
const INDENT = ' '.repeat(6);

/** All settings of `command` by group: flag, variables, default, meaning. Ends with a line break; at most 100 columns where words allow. */
export function settingsHelp(command: CommandName): string {
  const rows = settingRows(command);
  const groups = [...new Set(rows.map(({ group }) => group))];
  return groups
    .map(
      (group) =>
        `${group}:\n${rows
          .filter((row) => row.group === group)
          .map(rowHelp)
          .join('')}`,
    )
    .join('\n');
}

function rowHelp(setting: Setting<unknown>): string {
  const flag =
    setting.flag === undefined ? undefined : `--${setting.flag}${setting.takes === '' ? '' : ` ${setting.takes}`}`;
  const names = [flag, setting.variable, ...(setting.ecosystem ?? [])].filter((name) => name !== undefined).join(', ');
  const fallback = setting.shownDefault === '' ? '' : ` [default: ${setting.shownDefault}]`;
  const why = setting.why === '' ? '' : ` (${setting.why})`;
  return `  ${names}${fallback}\n${wrap(`${setting.help}${why}`)}`;
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(' ')) {
    if (line !== INDENT && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = INDENT;
    }
    line += line === INDENT ? word : ` ${word}`;
  }
  return [...lines, line].map((one) => `${one}\n`).join('');
}
