/** Rows of the settings table about requests: addresses, waits, credentials. */
import { DEFAULT_LIMITS as LIMITS } from '../core/limits.ts';
import { count, list, path, paths, type Setting, text, time, toggle } from './setting-kinds.ts';
import { ALL, row } from './settings-row.ts';

const HOST = {
  pattern: /^(?:\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::\d{1,5})?$/i,
  expected: 'hosts such as registry.local or registry.local:5000, without scheme and path',
};
const HOST_OR_NETWORK = {
  pattern:
    /^(?:\[[0-9a-f:.]+\](?::\d{1,5})?|[0-9a-f:.]+\/\d{1,3}|[0-9a-f]*:[0-9a-f:.]+|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?(?::\d{1,5})?)$/i,
  expected: 'hosts, host:port, IP addresses or CIDR ranges',
};
const REALM = {
  pattern: /^(?:[a-z0-9._:[\]-]+=)?[a-z0-9._:[\]-]+$/i,
  expected: 'realm-host or registry-host=realm-host',
};
const VARIABLE_NAME = { pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, expected: 'names of environment variables' };

export const NETWORK_SETTINGS = {
  httpProxy: text({
    ...row('http-proxy', 'Network', ALL, ['proxy for http://', '', ['http_proxy', 'HTTP_PROXY']]),
    isSecret: true,
  }),
  httpsProxy: text({
    ...row('https-proxy', 'Network', ALL, ['proxy for https://', '', ['https_proxy', 'HTTPS_PROXY']]),
    isSecret: true,
  }),
  noProxy: text(
    row('no-proxy', 'Network', ALL, [
      'hosts, .suffixes, IPs and CIDR ranges that are reached directly',
      '',
      ['no_proxy', 'NO_PROXY'],
    ]),
  ),
  caFile: path(
    row('ca-file', 'Network', ALL, [
      'PEM certificates that are trusted besides the default ones',
      'NODE_EXTRA_CA_CERTS works as well: Node reads it itself',
    ]),
    undefined,
  ),
  insecureHosts: list(
    row('insecure-hosts', 'Network', ALL, ['hosts that may be spoken to without TLS', 'none: loopback is not special']),
    HOST,
  ),
  allowPrivateRedirects: list(
    row('allow-private-redirects', 'Network', ALL, [
      'private addresses that redirects may lead to',
      'none: a registry must not steer requests into the cluster',
    ]),
    HOST_OR_NETWORK,
  ),
  connectTimeoutMs: time(
    row('connect-timeout', 'Network', ALL, ['until a connection stands', 'a dead host']),
    LIMITS.connectTimeoutMs,
  ),
  headersTimeoutMs: time(
    row('headers-timeout', 'Network', ALL, ['until an answer starts', 'a registry that accepts and hangs']),
    LIMITS.headersTimeoutMs,
  ),
  bodyIdleTimeoutMs: time(
    row('body-idle-timeout', 'Network', ALL, [
      'without bytes, or at less than 1 KiB/s, until a download counts as stalled',
      'a stalled stream',
    ]),
    LIMITS.bodyIdleTimeoutMs,
  ),
  attempts: count(
    row('retries', 'Network', ALL, ['attempts for each request', 'with the waits below it rides out a short outage']),
    LIMITS.attempts,
    { min: 1, max: 100 },
  ),
  retryBaseMs: time(
    row('retry-base', 'Network', ALL, [
      'first wait, doubled each time, full jitter',
      'replicas must not come back in step',
    ]),
    LIMITS.retryBaseMs,
  ),
  retryCapMs: time(
    row('retry-cap', 'Network', ALL, ['longest wait between attempts', 'a pod start is watched by people']),
    LIMITS.retryCapMs,
  ),
  redirects: count(
    row('max-redirects', 'Network', ALL, ['redirects for each request', 'the longest real chains are 2 to 3']),
    LIMITS.redirects,
    {
      min: 0,
      max: 20,
    },
  ),
  concurrency: count(
    row('concurrency', 'Network', ALL, ['plugins at once', 'more changes nothing on 2 cores']),
    LIMITS.concurrency,
    { min: 1, max: 64 },
  ),
  concurrencyPerHost: count(
    row('concurrency-per-host', 'Network', ALL, [
      'requests at once to one host',
      'usually all plugins share one registry; lower it against 429',
    ]),
    LIMITS.concurrencyPerHost,
    { min: 1, max: 64 },
  ),
  pluginDeadlineMs: time(
    row('plugin-deadline', 'Network', ALL, [
      'time for one plugin, retries and Retry-After included',
      'every wait has an end',
    ]),
    LIMITS.pluginDeadlineMs,
  ),
  runDeadlineMs: time(
    row('run-deadline', 'Network', ALL, [
      'time for the whole run',
      'the chart sets less than its progressDeadlineSeconds, so that this program reports first',
    ]),
    LIMITS.runDeadlineMs,
  ),
} as const satisfies Record<string, Setting<unknown>>;

export const CREDENTIAL_SETTINGS = {
  registryAuthFiles: paths(
    row('registry-auth-files', 'Credentials', ALL, [
      'docker config files with registry credentials, read in this order',
      'then $DOCKER_CONFIG/config.json and $REGISTRY_AUTH_FILE',
    ]),
  ),
  dockerConfig: path(
    {
      ecosystem: ['DOCKER_CONFIG'],
      group: 'Credentials',
      commands: ALL,
      help: 'directory of a config.json with registry credentials',
      why: '',
    },
    undefined,
  ),
  registryAuthFile: path(
    {
      ecosystem: ['REGISTRY_AUTH_FILE'],
      group: 'Credentials',
      commands: ALL,
      help: 'file with registry credentials, as podman and skopeo use it',
      why: '',
    },
    undefined,
  ),
  npmrc: path(
    row('npmrc', 'Credentials', ALL, [
      '.npmrc with registries and credentials',
      '',
      ['NPM_CONFIG_USERCONFIG', 'npm_config_userconfig'],
    ]),
    undefined,
  ),
  npmrcVariables: list(
    row('npmrc-variables', 'Credentials', ALL, [
      'variables that .npmrc may expand as ${NAME}',
      'none: a file must not read the whole environment',
    ]),
    VARIABLE_NAME,
  ),
  anonymousFallback: toggle(
    row('auth-anonymous-fallback', 'Credentials', ALL, [
      'try without credentials after all were refused',
      'off: a refused credential is a fault to see, not to hide',
    ]),
  ),
  authRealms: list(
    row('auth-realms', 'Credentials', ALL, [
      'token services that may be sent credentials',
      'an entry for a registry makes its list binding',
    ]),
    REALM,
  ),
  credentialHelperDir: path(
    row('credential-helper-dir', 'Credentials', ALL, [
      'directory of docker-credential-* programs',
      'none: no program is ever started',
    ]),
    undefined,
  ),
} as const satisfies Record<string, Setting<unknown>>;
