/** All settings of a run, resolved once: flag > PORTAL_PLUGINS_* > ecosystem variables > default. */
import { join, resolve } from 'node:path';
import { DEFAULT_LIMITS, type Limits } from '../core/limits.ts';
import type { AuthFile, CredentialSettings, ListSettings, NetworkSettings, Settings } from '../core/settings.ts';
import type { Environment } from './env.ts';
import type { Setting } from './setting-kinds.ts';
import { type Flags, given, shown, usage, valueOf } from './settings-parse.ts';
import { SETTINGS, settingRows } from './settings-table.ts';
import { didYouMean } from './suggest.ts';

export interface SettingsInput {
  /** From `parseFlags`. */
  readonly flags: Flags;
  readonly env: Environment;
  /** Directory that relative paths are relative to, absolute. */
  readonly cwd: string;
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  /** Version of this program, for the user agent. */
  readonly version: string;
}

/**
 * Resolves every setting of the command. Throws UsageInvalid naming the flag or variable, its value and what is expected. Paths in the
 * result are absolute.
 */
export function resolveSettings(input: SettingsInput): Settings {
  const { flags, env, cwd } = input;
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    throw usage(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 switches certificate checks off for the whole process; refusing to start',
      'unset it; trust a private CA with PORTAL_PLUGINS_CA_FILE, list a host without TLS in PORTAL_PLUGINS_INSECURE_HOSTS',
    );
  }
  const read: Reader = (setting) => valueOf(setting, flags, env);
  const at: PathReader = (setting) => {
    const path = read(setting);
    return path === undefined ? undefined : resolve(cwd, path);
  };
  return {
    list: listSettings(input, at),
    root: rootOf(input, read),
    cwd,
    log: {
      format: read(SETTINGS.logFormat) ?? (input.isTerminal ? 'pretty' : 'logfmt'),
      level: read(SETTINGS.logLevel),
      color: input.isTerminal && read(SETTINGS.noColor) === undefined && env['TERM'] !== 'dumb',
    },
    terminationLog: resolve(cwd, read(SETTINGS.terminationLog)),
    network: networkSettings(input, read, at),
    credentials: credentialSettings(input, read, at),
    stage: { verifyOnStart: read(SETTINGS.verifyOnStart), fsync: read(SETTINGS.fsync), podUid: read(SETTINGS.podUid) },
    limits: limitsFrom(read),
    options: {
      backstageFrontend: read(SETTINGS.backstageFrontend),
      backstageVersion: read(SETTINGS.backstageVersion),
      portalNodeVersion: read(SETTINGS.portalNodeVersion),
      anonymousFallback: read(SETTINGS.anonymousFallback),
      authRealms: read(SETTINGS.authRealms),
    },
    warnings: unknownVariables(env),
  };
}

type Reader = <T>(setting: Setting<T>) => T;
type PathReader = (setting: Setting<string | undefined>) => string | undefined;

/**
 * A flag beats the variables; among variables the order is config, values, list (docs/configuration.md, "Plugin list"). Exactly one
 * of the three is set in the result, or none.
 */
function listSettings({ flags, env, cwd }: SettingsInput, at: PathReader): ListSettings {
  const sources = {
    config: given(SETTINGS.config, flags, env),
    values: given(SETTINGS.values, flags, env),
    inline: env['PORTAL_PLUGINS_LIST'],
  };
  if (sources.config?.isFlag === true && sources.values?.isFlag === true) {
    throw usage('--config and --values both name the plugin list', 'pass only one of them');
  }
  const nothing: ListSettings = { config: undefined, values: [], inline: undefined };
  const hasConfig = sources.config !== undefined && sources.values?.isFlag !== true;
  if (hasConfig) return { ...nothing, config: at(SETTINGS.config) };
  if (sources.values !== undefined) {
    return { ...nothing, values: valueOf(SETTINGS.values, flags, env).map((file) => resolve(cwd, file)) };
  }
  // Set but empty is kept: an annotation that is missing must be an error, never an empty list.
  return { ...nothing, inline: sources.inline };
}

function rootOf({ flags, cwd }: SettingsInput, read: Reader): string {
  const argument = flags.command === 'install' ? flags.positionals[0] : undefined;
  const flag = flags.values.get('root');
  if (argument === '') throw usage('the plugin root is empty', 'pass a directory');
  if (argument !== undefined && flag !== undefined && resolve(cwd, argument) !== resolve(cwd, flag)) {
    throw usage(
      `the plugin root is given twice: ${shown(argument)} and --root ${shown(flag)}`,
      'pass only one of them',
    );
  }
  return resolve(cwd, argument ?? read(SETTINGS.root));
}

function networkSettings({ flags, env, version }: SettingsInput, read: Reader, at: PathReader): NetworkSettings {
  return {
    httpProxy: proxyUrl(SETTINGS.httpProxy, flags, env),
    httpsProxy: proxyUrl(SETTINGS.httpsProxy, flags, env),
    noProxy: read(SETTINGS.noProxy) ?? '',
    caFile: at(SETTINGS.caFile),
    insecureHosts: read(SETTINGS.insecureHosts),
    allowPrivateRedirects: read(SETTINGS.allowPrivateRedirects),
    userAgent: `portal-plugin-installer/${version}`,
  };
}

/** `proxy:3128` is what many environments hold: without a scheme it is http, as curl reads it. */
function proxyUrl(setting: Setting<string | undefined>, flags: Flags, env: Environment): string | undefined {
  const written = valueOf(setting, flags, env);
  if (written === undefined) return undefined;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(written) ? written : `http://${written}`);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '') return url.href;
  // The value may hold a password, so it is not repeated.
  const label = given(setting, flags, env)?.label ?? '';
  throw usage(
    `${label} is not the URL of an http or https proxy (value not shown)`,
    `set ${label} to http://HOST:PORT`,
  );
}

function credentialSettings({ env, cwd }: SettingsInput, read: Reader, at: PathReader): CredentialSettings {
  const named = read(SETTINGS.registryAuthFiles).map((file): AuthFile => ({
    path: resolve(cwd, file),
    isRequired: true,
  }));
  const directory = at(SETTINGS.dockerConfig);
  const file = at(SETTINGS.registryAuthFile);
  const variables = read(SETTINGS.npmrcVariables).flatMap((name): [string, string][] => {
    const value = env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    registryAuthFiles: [
      ...named,
      ...(directory === undefined ? [] : [{ path: join(directory, 'config.json'), isRequired: false }]),
      ...(file === undefined ? [] : [{ path: file, isRequired: true }]),
    ],
    npmrc: at(SETTINGS.npmrc),
    npmrcVariables: Object.fromEntries(variables),
    credentialHelperDir: at(SETTINGS.credentialHelperDir),
  };
}

function limitsFrom(read: Reader): Limits {
  const names = Object.keys(DEFAULT_LIMITS).filter(
    (name): name is keyof Limits & keyof typeof SETTINGS => name in SETTINGS,
  );
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(names.map((name) => [name, read(SETTINGS[name])])) };
}

/** What Kubernetes injects for Services called `portal-plugins` or `portal-plugins-…` (enableServiceLinks). */
const SERVICE_LINK =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

function unknownVariables(env: Environment): readonly string[] {
  const known = settingRows().flatMap(({ variable }) => (variable === undefined ? [] : [variable]));
  const isKnown = new Set(known);
  return Object.keys(env)
    .filter((name) => name.startsWith('PORTAL_PLUGINS_') && !isKnown.has(name) && !SERVICE_LINK.test(name))
    .sort()
    .map((name) => `the variable ${shown(name)} is not known and has no effect${didYouMean(name, known)}`);
}
