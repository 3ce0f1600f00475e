/**
 * The one table of settings: flags, variables, `--help` and docs/configuration.md are all read from it. A new setting is a row here (or
 * in one of the two files it includes) and its use in settings.ts.
 */
import { DEFAULT_LIMITS as LIMITS } from '../core/limits.ts';
import { type CommandName, oneOf, path, paths, type Setting, size, text } from './setting-kinds.ts';
import { LIMIT_SETTINGS } from './settings-limits.ts';
import { CREDENTIAL_SETTINGS, NETWORK_SETTINGS } from './settings-network.ts';
import { ALL, PREFIX, row, VOLUME } from './settings-row.ts';

const VERSION = { pattern: /^v?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/, expected: 'a version such as 1.42.0' };
const UID = { pattern: /^[0-9A-Za-z-]{1,64}$/, expected: 'a pod UID' };

export const SETTINGS = {
  config: path(
    row('config', 'Plugin list', ALL, [
      'file of the plugin list, YAML or JSON',
      'else --values, PORTAL_PLUGINS_LIST, then the files of docs/configuration.md',
    ]),
    undefined,
  ),
  values: paths(row('values', 'Plugin list', ALL, ['Helm values files, merged as Helm merges them; may be repeated'])),
  inline: text({
    variable: `${PREFIX}LIST`,
    group: 'Plugin list',
    commands: ALL,
    help: 'the plugin list itself, for runtimes that cannot mount files',
    why: 'no flag: it is too long for one',
  }),

  root: path(
    row('root', 'Volume', VOLUME, [
      'directory the portal reads plugins from; also the argument of install',
      'where Butler Portal and RHDH look',
    ]),
    '/dynamic-plugins-root',
  ),
  verifyOnStart: oneOf(
    row('verify-on-start', 'Volume', VOLUME, [
      'how plugins already on the volume are checked: fast compares sizes, counts and change times, full hashes every file',
      'fast sees removed, emptied and half-written plugins and costs milliseconds; full also sees what changes no time stamp',
    ]),
    ['fast', 'full'],
    'fast',
  ),
  fsync: oneOf(
    row(
      'fsync',
      'Volume',
      ['install'],
      [
        'whether files are flushed before the new set becomes visible',
        'auto is on for persistent volumes and off for emptyDir, which does not outlive a crash of its node',
      ],
    ),
    ['auto', 'on', 'off'],
    'auto',
  ),
  podUid: text(
    row(
      'pod-uid',
      'Volume',
      ['install'],
      ['UID of this pod, for the lock of the volume', 'else read from the mount table'],
    ),
    UID,
  ),
  setBytes: size(
    row('max-set-bytes', 'Volume', VOLUME, [
      'unpacked size of all plugins together; 0: the volume less 10 %',
      'being evicted is worse than an error',
    ]),
    LIMITS.setBytes,
    0,
  ),

  ...NETWORK_SETTINGS,
  ...CREDENTIAL_SETTINGS,
  ...LIMIT_SETTINGS,

  backstageFrontend: oneOf(
    row('backstage-frontend', 'Portal', ALL, [
      'which frontend manifest a Backstage plugin must have',
      'any: Butler Portal and new Backstage load Module Federation, RHDH loads Scalprum',
    ]),
    ['any', 'module-federation', 'scalprum'],
    'any',
  ),
  backstageVersion: text(
    row('backstage-version', 'Portal', ALL, ['Backstage version of the portal, to warn of plugins that exclude it']),
    VERSION,
  ),
  portalNodeVersion: text(
    row('portal-node-version', 'Portal', ALL, ['Node version of the portal, to prefer npm releases that support it']),
    VERSION,
  ),

  logFormat: oneOf(
    row('log-format', 'Output', ALL, ['format of the log on stdout', 'pretty is for people and only for terminals']),
    ['logfmt', 'json', 'pretty'],
    undefined,
    'pretty on a terminal, else logfmt',
  ),
  logLevel: oneOf(
    row('log-level', 'Output', ALL, ['least level that is logged']),
    ['debug', 'info', 'warn', 'error'],
    'info',
  ),
  terminationLog: path(
    row('termination-log', 'Output', ALL, [
      'file of the message that kubectl describe shows',
      'where Kubernetes reads it',
    ]),
    '/dev/termination-log',
  ),
  noColor: text({
    ecosystem: ['NO_COLOR'],
    group: 'Output',
    commands: ALL,
    help: 'any value: no colours',
    why: 'no-color.org',
  }),
} as const satisfies Record<string, Setting<unknown>>;

/** All rows in the order of help and documentation. */
export function settingRows(command?: CommandName): readonly Setting<unknown>[] {
  const rows: readonly Setting<unknown>[] = Object.values(SETTINGS);
  return command === undefined ? rows : rows.filter((setting) => setting.commands.includes(command));
}
