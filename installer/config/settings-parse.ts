/** Command line → flags; flags and environment → the text of one setting. */
import { parseArgs } from 'node:util';
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import type { Environment } from './env.ts';
import type { CommandName, Setting } from './setting-kinds.ts';
import { settingRows } from './settings-table.ts';
import { nearest } from './suggest.ts';

/** A command line, taken apart but not yet understood. */
export interface Flags {
  readonly command: CommandName;
  /** Flag name → text; several values of one flag are joined as its setting says. */
  readonly values: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
  readonly wantsHelp: boolean;
  readonly wantsVersion: boolean;
}

/** How many arguments a command takes besides flags, and what they are. */
const ARGUMENTS: Readonly<Record<CommandName, { readonly max: number; readonly what: string }>> = {
  install: { max: 1, what: 'the plugin root' },
  verify: { max: 0, what: '' },
  explain: { max: 1, what: 'a reason' },
};

/**
 * Parses the arguments after the command's name. Throws UsageInvalid for an unknown flag (with the nearest known one), a missing or
 * superfluous value, and too many arguments. The last of two equal flags counts, unless the setting takes several values.
 */
export function parseFlags(command: CommandName, args: readonly string[]): Flags {
  const flagged = settingRows(command).filter((setting): setting is Flagged => setting.flag !== undefined);
  const known = new Map(flagged.map((setting) => [setting.flag, setting]));
  const options = Object.fromEntries(
    [...known].map(([flag, setting]) => [flag, { type: setting.isSwitch ? 'boolean' : 'string' } as const]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options: { ...options, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } },
    strict: false,
    tokens: true,
  });
  const values = new Map<string, string>();
  const positionals: string[] = [];
  const asked = new Set<string>();
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    if (token.name === 'help' || token.name === 'version') asked.add(token.name);
    else addFlag(token, known, values);
  }
  const { max, what } = ARGUMENTS[command];
  if (positionals.length > max) {
    const takes = max === 0 ? 'takes no argument' : `takes one argument, ${what}`;
    throw usage(`${command} ${takes}; found ${shown(positionals[max] ?? '')}`, `remove it, or write it as a flag`);
  }
  return { command, values, positionals, wantsHelp: asked.has('help'), wantsVersion: asked.has('version') };
}

type Flagged = Setting<unknown> & { readonly flag: string };

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function addFlag(token: OptionToken, known: ReadonlyMap<string, Flagged>, values: Map<string, string>): void {
  const setting = settingOf(token, known);
  const name = setting.flag;
  if (setting.isSwitch) {
    if (token.value !== undefined) {
      throw usage(`--${name} takes no value; found ${shown(token.value)}`, `write --${name} or --no-${name}`);
    }
    values.set(name, token.name === name ? 'true' : 'false');
    return;
  }
  const value = flagValue(token, setting);
  const before = values.get(name);
  values.set(name, before === undefined || setting.joinedBy === undefined ? value : before + setting.joinedBy + value);
}

/** The setting of a flag; `--no-x` belongs to the switch `--x`. Throws UsageInvalid for an unknown flag. */
function settingOf({ name, rawName }: OptionToken, known: ReadonlyMap<string, Flagged>): Flagged {
  const exact = known.get(name);
  if (exact !== undefined) return exact;
  const negated = known.get(name.replace(/^no-/, ''));
  if (negated?.isSwitch === true) return negated;
  const elsewhere = settingRows().find(({ flag }) => flag === name);
  if (elsewhere !== undefined)
    throw usage(`--${name} is a flag of ${elsewhere.commands.join(' and ')} only`, 'remove it');
  const near = nearest(name, [...known.keys(), 'help', 'version']);
  throw usage(`unknown flag ${shown(rawName)}${near === undefined ? '' : ` (did you mean --${near}?)`}`);
}

function flagValue({ value, inlineValue, name }: OptionToken, setting: Setting<unknown>): string {
  // `--config --values x`: the value was forgotten, not called --values.
  if (value === undefined || (inlineValue !== true && value.startsWith('-'))) {
    throw usage(`--${name} needs a value: ${setting.expected}`, `write --${name}=VALUE`);
  }
  return value;
}

/** Where the text of a setting came from; `label` is what the operator wrote it as. */
export interface Given {
  readonly text: string;
  readonly label: string;
  readonly isFlag: boolean;
}

/** Flag > PORTAL_PLUGINS_* > ecosystem variables > undefined. An empty variable counts as not set, as shells and charts leave them. */
export function given(setting: Setting<unknown>, flags: Flags, env: Environment): Given | undefined {
  const flag = setting.flag === undefined ? undefined : flags.values.get(setting.flag);
  if (flag !== undefined) return { text: flag, label: `--${setting.flag}`, isFlag: true };
  for (const name of [...(setting.variable === undefined ? [] : [setting.variable]), ...(setting.ecosystem ?? [])]) {
    const text = env[name];
    if (text !== undefined && text !== '') return { text, label: name, isFlag: false };
  }
  return undefined;
}

/** The value of a setting. Throws UsageInvalid naming flag or variable, value and what is expected; a secret value is not shown. */
export function valueOf<T>(setting: Setting<T>, flags: Flags, env: Environment): T {
  if (!setting.commands.includes(flags.command)) return setting.fallback;
  const found = given(setting, flags, env);
  if (found === undefined) return setting.fallback;
  const value = setting.parse(found.text);
  if (value !== undefined) return value;
  const written = setting.isSecret === true ? 'the value (not shown)' : shown(found.text);
  throw usage(
    `${found.label} is not valid: expected ${setting.expected}; found ${written}`,
    `set ${found.label} to ${setting.expected}`,
  );
}

export function usage(message: string, fix?: string): InstallError {
  return new InstallError('UsageInvalid', message, fix === undefined ? {} : { details: { fix } });
}

export function shown(value: string): string {
  const escaped = escapeText(value);
  return `"${escaped.length > 120 ? `${escaped.slice(0, 120)}…` : escaped}"`;
}
