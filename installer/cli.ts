/** The command table: names, help, and which function runs. No logic of its own. */
import { explainCommand } from './commands/explain.ts';
import { install } from './commands/install.ts';
import type { Machine } from './commands/machine.ts';
import { verify } from './commands/verify.ts';
import type { Environment } from './config/env.ts';
import type { CommandName } from './config/setting-kinds.ts';
import { settingsHelp } from './config/settings-help.ts';
import { type Flags, parseFlags } from './config/settings-parse.ts';
import { resolveSettings } from './config/settings.ts';
import { InstallError } from './core/errors.ts';
import { EXIT } from './core/exit.ts';
import { escapeText } from './core/redact.ts';
import type { Settings } from './core/settings.ts';

interface Command {
  readonly usage: string;
  readonly what: string;
  run(settings: Settings, flags: Flags, machine: Machine): Promise<number> | number;
}

const COMMANDS: Readonly<Record<CommandName, Command>> = {
  install: {
    usage: 'install [ROOT]',
    what: 'bring the plugin volume to the state of the list, all at once or not at all (the default command)',
    run: (settings, _, machine) => install(settings, machine),
  },
  verify: {
    usage: 'verify',
    what: 'download, verify, unpack and validate every plugin, and stage nothing',
    run: (settings, _, machine) => verify(settings, machine),
  },
  explain: {
    usage: 'explain [REASON]',
    what: 'say what a reason or an exit code of the log means and what to do about it',
    run: (_, flags, machine) => explainCommand(flags.positionals[0], machine.stdout),
  },
};

/**
 * Runs one command line and returns the exit code (docs/exit-codes.md). Throws UsageInvalid for a bad command line or setting; everything
 * later is reported by the command itself.
 */
export async function runCommandLine(args: readonly string[], env: Environment, machine: Machine): Promise<number> {
  const { name, rest, isNamed } = splitCommand(args);
  const flags = parseFlags(name, rest);
  if (flags.wantsVersion) {
    machine.stdout.write(`portal-plugins ${machine.version}\n`);
    return EXIT.ok;
  }
  if (flags.wantsHelp) {
    machine.stdout.write(isNamed ? commandHelp(name) : generalHelp());
    return EXIT.ok;
  }
  const { cwd, version } = machine;
  const isTerminal = machine.stdout.isTTY === true;
  const settings = resolveSettings({ flags, env, cwd, isTerminal, version });
  return COMMANDS[name].run(settings, flags, machine);
}

interface CommandWords {
  readonly name: CommandName;
  readonly rest: readonly string[];
  /** The command was written, not implied. */
  readonly isNamed: boolean;
}

/** `install` is the default: `portal-plugins --config x` installs, and so does `portal-plugins /volume` (RHDH's `install <root>`). */
function splitCommand(args: readonly string[]): CommandWords {
  const [first, ...rest] = args;
  if (first === 'help') {
    const [topic] = rest;
    const isNamed = isCommand(topic);
    return { name: isNamed ? topic : 'install', rest: ['--help'], isNamed };
  }
  if (isCommand(first)) return { name: first, rest, isNamed: true };
  const isWord = first !== undefined && /^[a-z][a-z-]*$/.test(first);
  if (isWord) {
    const known = Object.keys(COMMANDS).join(', ');
    const details = { fix: `the commands are ${known}; write a directory as ./${escapeText(first)}` };
    throw new InstallError('UsageInvalid', `there is no command "${escapeText(first).slice(0, 60)}"`, { details });
  }
  return { name: 'install', rest: args, isNamed: false };
}

function isCommand(name: string | undefined): name is CommandName {
  return name !== undefined && Object.hasOwn(COMMANDS, name);
}

function generalHelp(): string {
  const width = Math.max(...Object.values(COMMANDS).map(({ usage }) => usage.length));
  const lines = Object.values(COMMANDS).map(({ usage, what }) => `  ${usage.padEnd(width)}  ${what}\n`);
  return [
    'portal-plugins installs the plugins of a developer portal from npm, OCI registries and https.\n\n',
    'Usage: portal-plugins [COMMAND] [FLAGS]\n\n',
    ...lines,
    '\nportal-plugins COMMAND --help shows the flags of a command, --version the version.\n\n',
    settingsHelp('install'),
    EXIT_HELP,
  ].join('');
}

function commandHelp(name: CommandName): string {
  const { usage, what } = COMMANDS[name];
  return `Usage: portal-plugins ${usage} [FLAGS]\n\n${what}\n\n${settingsHelp(name)}${EXIT_HELP}`;
}

const EXIT_HELP = `
Exit codes: 0 done, 64 usage, 65 trust, 66 not found, 69 unavailable (retry helps), 73 volume, 74 space,
75 deadline or lock (retry helps), 77 access refused, 78 list invalid, 1 bug, 143/130 stopped by a signal.
portal-plugins explain says more about each.
`;
