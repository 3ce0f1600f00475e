/** The tables of docs/configuration.md and docs/exit-codes.md, from the tables in code. Markdown; pure. */
import { EXIT } from '../core/exit.ts';
import { REASONS, snakeCase } from '../core/reasons.ts';
import type { Setting } from './setting-kinds.ts';
import { settingRows } from './settings-table.ts';

/** One table for each group of settings. */
export function settingsTable(): string {
  const rows = settingRows();
  const groups = [...new Set(rows.map(({ group }) => group))];
  return groups
    .map((group) => {
      const cells = rows.filter((row) => row.group === group).map(settingCells);
      return `### ${group}\n\n${table(['variable, flag', 'default', 'meaning', 'commands'], cells)}`;
    })
    .join('\n');
}

function settingCells(setting: Setting<unknown>): readonly string[] {
  const flag =
    setting.flag === undefined ? undefined : `--${setting.flag}${setting.takes === '' ? '' : ` ${setting.takes}`}`;
  const names = [setting.variable, ...(setting.ecosystem ?? []), flag].filter((name) => name !== undefined);
  const why = setting.why === '' ? '' : ` (${setting.why})`;
  return [
    names.map(code).join('<br>'),
    setting.shownDefault === '' ? '' : code(setting.shownDefault),
    setting.help + why,
    setting.commands.join(', '),
  ];
}

/** All reasons with their exit code, by stage. */
export function reasonsTable(): string {
  const names = new Map(Object.entries(EXIT).map(([name, exit]) => [exit as number, name]));
  const rows = Object.entries(REASONS).map(([reason, { stage, exit, what, fix }]) => [
    `${code(reason)}<br>${code(snakeCase(reason))}`,
    exit === 0 ? 'warning' : `${exit} ${names.get(exit) ?? ''}`.trim(),
    stage,
    what,
    fix,
  ]);
  return table(['reason, in logs', 'exit', 'stage', 'what happened', 'what to do'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  return [head, head.map(() => '---'), ...escaped].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

function code(text: string): string {
  return `\`${text}\``;
}
