/** What a setting's text may look like: one constructor per kind, so that a row of the table states only what is its own. */
export type CommandName = 'install' | 'verify' | 'explain';

type SettingGroup = 'Plugin list' | 'Volume' | 'Network' | 'Credentials' | 'Limits' | 'Portal' | 'Output';

/** What every row states, whatever its kind. */
export interface SettingRow {
  /** Without the leading dashes; undefined: variable only. */
  readonly flag?: string;
  /** Our own variable, whole name; undefined: flag or ecosystem variable only. */
  readonly variable?: string;
  /** Names of the ecosystem that are honoured after our own, in this order. */
  readonly ecosystem?: readonly string[];
  readonly group: SettingGroup;
  readonly commands: readonly CommandName[];
  /** What it does, one sentence without full stop. */
  readonly help: string;
  /** Why the default is what it is; empty when there is nothing to explain. */
  readonly why: string;
  /** The value never appears in a message (proxy credentials). */
  readonly isSecret?: true;
}

export interface Setting<T> extends SettingRow {
  /** Placeholder of help: `SIZE`, `TIME`; empty for a switch. */
  readonly takes: string;
  readonly isSwitch: boolean;
  /** Given several times, the values are joined by this before they are parsed; undefined: the last one counts. */
  readonly joinedBy: string | undefined;
  readonly fallback: T;
  /** The default as help and documentation print it. */
  readonly shownDefault: string;
  /** What is accepted, for messages: `a size such as 256Mi`. */
  readonly expected: string;
  /** Undefined: not valid. */
  readonly parse: (text: string) => T | undefined;
}

export function text(
  row: SettingRow,
  accepts?: { readonly pattern: RegExp; readonly expected: string },
): Setting<string | undefined> {
  return {
    ...row,
    ...single('TEXT'),
    fallback: undefined,
    shownDefault: '',
    expected: accepts?.expected ?? 'a text that is not empty',
    parse: (value) => (value === '' || accepts?.pattern.test(value) === false ? undefined : value),
  };
}

export function path<F extends string | undefined>(row: SettingRow, fallback: F): Setting<string | F> {
  return {
    ...row,
    ...single('PATH'),
    fallback,
    shownDefault: fallback ?? '',
    expected: 'a path',
    parse: (value) => (value === '' || value.includes('\0') ? undefined : value),
  };
}

/** Paths separated by `:`, as in PATH. */
export function paths(row: SettingRow): Setting<readonly string[]> {
  return {
    ...row,
    takes: 'PATH',
    isSwitch: false,
    joinedBy: ':',
    fallback: [],
    shownDefault: '',
    expected: 'one or more paths separated by :',
    parse: (value) => (value.includes('\0') ? undefined : value.split(':').filter((part) => part !== '')),
  };
}

/** Items separated by commas or white space, each matched by `pattern`. */
export function list(
  row: SettingRow,
  item: { readonly pattern: RegExp; readonly expected: string },
): Setting<readonly string[]> {
  return {
    ...row,
    takes: 'LIST',
    isSwitch: false,
    joinedBy: ',',
    fallback: [],
    shownDefault: '',
    expected: `a comma-separated list of ${item.expected}`,
    parse: (value) => {
      const items = value.split(/[\s,]+/).filter((part) => part !== '');
      return items.every((part) => item.pattern.test(part)) ? items : undefined;
    },
  };
}

export function toggle(row: SettingRow): Setting<boolean> {
  return {
    ...row,
    takes: '',
    isSwitch: true,
    joinedBy: undefined,
    fallback: false,
    shownDefault: 'false',
    expected: 'true or false',
    parse: (value) => (value === 'true' ? true : value === 'false' ? false : undefined),
  };
}

/** One of a few words. `fallback` undefined: decided elsewhere, `shownDefault` says how. */
export function oneOf<const C extends string, F extends C | undefined>(
  row: SettingRow,
  choices: readonly C[],
  fallback: F,
  shownDefault: string = fallback ?? '',
): Setting<C | F> {
  return {
    ...row,
    ...single(choices.join('|')),
    fallback,
    shownDefault,
    expected: choices.join(', '),
    parse: (value) => choices.find((choice) => choice === value),
  };
}

/** A whole number within the bounds, both included. */
export function count(
  row: SettingRow,
  fallback: number,
  bounds: { readonly min: number; readonly max: number },
): Setting<number> {
  return {
    ...row,
    ...single('NUMBER'),
    fallback,
    shownDefault: String(fallback),
    expected: `a whole number from ${bounds.min} to ${bounds.max}`,
    parse: (value) => within(/^\d{1,15}$/.test(value) ? Number(value) : undefined, bounds),
  };
}

/** Bytes: digits with an optional Kubernetes suffix (Ki, Mi, Gi, Ti, k, M, G, T). */
export function size(row: SettingRow, fallback: number, min = 1): Setting<number> {
  return {
    ...row,
    ...single('SIZE'),
    fallback,
    shownDefault: formatSize(fallback),
    expected: `a size in bytes such as 256Mi or 1Gi${min === 0 ? ', or 0' : ''}`,
    parse: (value) => within(parseSize(value), { min, max: Number.MAX_SAFE_INTEGER }),
  };
}

/** Milliseconds: digits with ms, s, m or h. At least 10 ms, at most a day (a timer holds 24 days). */
export function time(row: SettingRow, fallback: number): Setting<number> {
  return {
    ...row,
    ...single('TIME'),
    fallback,
    shownDefault: formatTime(fallback),
    expected: 'a time from 10ms to 24h with its unit, such as 500ms, 30s or 10m',
    parse: (value) => within(parseTime(value), { min: 10, max: DAY_MS }),
  };
}

const DAY_MS = 86_400_000;
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `256Mi` → bytes, or undefined. Kubernetes quantities without fraction and exponent. */
export function parseSize(value: string): number | undefined {
  return scaled(/^(\d{1,16})(|[kMGT]|[KMGT]i)$/.exec(value), SIZE_UNITS);
}

/** `10m` → milliseconds, or undefined. The unit is mandatory: a bare number means seconds to one reader and milliseconds to another. */
export function parseTime(value: string): number | undefined {
  return scaled(/^(\d{1,10})(ms|s|m|h)$/.exec(value), TIME_UNITS);
}

function scaled(match: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | undefined {
  const unit = units[match?.[2] ?? '-'];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

/** Bytes in the largest binary unit that divides them: `256Mi`. */
export function formatSize(bytes: number): string {
  for (const unit of ['Ti', 'Gi', 'Mi', 'Ki']) {
    const factor = SIZE_UNITS[unit] ?? 1;
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** Milliseconds in the largest unit that divides them: `10m`. */
export function formatTime(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const factor = TIME_UNITS[unit] ?? 1;
    if (ms > 0 && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}

function within(value: number | undefined, bounds: { readonly min: number; readonly max: number }): number | undefined {
  return value === undefined || value < bounds.min || value > bounds.max ? undefined : value;
}

function single(takes: string): { readonly takes: string; readonly isSwitch: false; readonly joinedBy: undefined } {
  return { takes, isSwitch: false, joinedBy: undefined };
}
