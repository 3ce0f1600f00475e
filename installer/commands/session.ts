/** What `install` and `verify` share: credentials, list, reporters; events in, one summary out. */
import { hostMatcher } from '../config/insecure-hosts.ts';
import { loadList } from '../config/load.ts';
import type { StepOptions } from '../core/context.ts';
import { asInstallError } from '../core/errors.ts';
import type { RunEvent, RunSummary } from '../core/events.ts';
import type { NetworkSettings, Settings } from '../core/settings.ts';
import type { PluginList } from '../core/types.ts';
import { createCredentials, type LoadedCredentials } from '../net/credentials.ts';
import { lazyHttp } from '../net/lazy-http.ts';
import { isPrivateHost } from '../net/private-address.ts';
import { createReporter } from '../report/index.ts';
import { createRedactor } from '../report/redactor.ts';
import { terminationMessage, writeTerminationMessage } from '../report/termination.ts';
import { startDeadline } from '../run/deadline.ts';
import { type LineDeps, reportRejection } from '../run/prepare-all.ts';
import { failedBeforeList, type RunEnd, summarise } from '../run/result.ts';
import { productionSteps } from '../run/steps.ts';
import type { Machine } from './machine.ts';

/** What a command does with a checked list. Never throws for what can go wrong in a run. */
export type Conduct = (deps: LineDeps) => Promise<Omit<RunEnd, 'command' | 'list' | 'durationMs'>>;

/**
 * Reads credentials and list, announces them, lets `conduct` do the work, reports once and returns the exit code. Never throws: whatever
 * happens ends in `completed` and a termination message.
 */
export async function runSession(
  command: RunEnd['command'],
  settings: Settings,
  machine: Machine,
  conduct: Conduct,
): Promise<number> {
  const session = new Session(command, settings, machine);
  const reporter = await createReporter(settings.log, {
    stdout: machine.stdout,
    clock: machine.clock,
    set: () => session.set,
    secrets: () => session.secrets,
  });
  const emit = (event: RunEvent): void => reporter.emit(event);
  const summary = await session.run(conduct, emit);
  const notice = await writeTerminationMessage(
    settings.terminationLog,
    terminationMessage(
      summary,
      createRedactor(() => session.secrets),
    ),
  );
  if (notice !== undefined) emit({ event: 'note', level: 'warn', ...notice });
  await reporter.finish(summary);
  return summary.exitCode;
}

class Session {
  /** `sha256:` and 12 hex characters once the list is read. */
  set = '';
  #credentials: LoadedCredentials | undefined;
  #proxyPasswords: readonly string[];
  readonly #command: RunEnd['command'];
  readonly #settings: Settings;
  readonly #machine: Machine;
  readonly #started: number;

  constructor(command: RunEnd['command'], settings: Settings, machine: Machine) {
    this.#command = command;
    this.#settings = settings;
    this.#machine = machine;
    this.#started = machine.clock.monotonic();
    this.#proxyPasswords = proxyPasswords(settings.network);
  }

  /** Every secret loaded so far; grows during the run. */
  get secrets(): readonly string[] {
    return [...(this.#credentials?.secrets ?? []), ...this.#proxyPasswords];
  }

  async run(conduct: Conduct, emit: LineDeps['emit']): Promise<RunSummary> {
    try {
      const { caFile } = this.#settings.network;
      // The HTTP client reads it again, late: a bundle that cannot be used is told before any network access, also on a warm start.
      if (caFile !== undefined) (await import('../net/trust.ts')).readCaFile(caFile);
      const isInsecureHost = hostMatcher(this.#settings.network.insecureHosts);
      const credentials = await createCredentials(this.#settings.credentials, isInsecureHost);
      this.#credentials = credentials;
      this.#proxyPasswords = proxyPasswords(withNpmrcProxy(this.#settings.network, credentials));
      const npmRegistry = (name: string): URL => credentials.npmrc.registryFor(name);
      const list = await loadList(this.#settings, {
        npmRegistry,
        npmReplaceRegistryHost: credentials.npmrc.replaceRegistryHost,
        isInsecureHost,
      });
      this.set = list.set;
      this.#announce(list, emit);
      for (const text of [...this.#settings.warnings, ...credentials.npmrc.warnings, ...list.warnings]) {
        emit({ event: 'note', level: 'warn', text });
      }
      const options: StepOptions = {
        ...this.#settings.options,
        requireIntegrity: list.requireIntegrity,
        isInsecureHost,
        isPrivateHost,
      };
      return await this.#conduct(conduct, { list, options, credentials: credentials.provider, emit }, credentials);
    } catch (thrown) {
      return failedBeforeList(this.#command, asInstallError(thrown), this.#elapsed());
    }
  }

  async #conduct(
    conduct: Conduct,
    known: Pick<LineDeps, 'list' | 'options' | 'credentials' | 'emit'>,
    credentials: LoadedCredentials,
  ): Promise<RunSummary> {
    const { limits } = this.#settings;
    const { clock, signal } = this.#machine;
    const http = lazyHttp({ network: withNpmrcProxy(this.#settings.network, credentials), limits, clock });
    const limit = { ms: limits.runDeadlineMs, what: 'the run', setting: 'PORTAL_PLUGINS_RUN_DEADLINE' };
    using deadline = startDeadline(clock, signal, limit);
    try {
      const deps: LineDeps = { ...known, steps: productionSteps, limits, clock, http, signal: deadline.signal };
      const end = await conduct(deps);
      return summarise({ ...end, command: this.#command, list: known.list, durationMs: this.#elapsed() });
    } finally {
      await http.close();
    }
  }

  #announce(list: PluginList, emit: LineDeps['emit']): void {
    emit({
      event: 'startup',
      configFile: list.file,
      root: this.#settings.root,
      continueOnError: list.continueOnError,
      pluginCount: list.entries.length + list.skipped.length,
      allowedSources: list.allowedSources.length,
      version: this.#machine.version,
    });
    if (list.allowedSources.length === 0) emit({ event: 'startup_permissive_mode' });
    if (!list.requireIntegrity) {
      const text = 'requireIntegrity is false: plugins without a pin are installed as their registry serves them';
      emit({ event: 'note', level: 'warn', text });
    }
    for (const { index, package: reference } of list.skipped)
      emit({ event: 'plugin_skipped', index, package: reference });
    for (const { entry, error } of list.refused) reportRejection(entry, error, 0, emit);
  }

  #elapsed(): number {
    return Math.round(this.#machine.clock.monotonic() - this.#started);
  }
}

/** `.npmrc` may name the proxy; flags and environment win. */
function withNpmrcProxy(network: NetworkSettings, { npmrc }: LoadedCredentials): NetworkSettings {
  return {
    ...network,
    httpProxy: network.httpProxy ?? npmrc.proxy,
    httpsProxy: network.httpsProxy ?? npmrc.httpsProxy,
    noProxy: network.noProxy === '' ? (npmrc.noProxy ?? '') : network.noProxy,
  };
}

/** As written in the URL and as sent. */
function proxyPasswords({ httpProxy, httpsProxy }: NetworkSettings): readonly string[] {
  return [httpProxy, httpsProxy].flatMap((proxy) => {
    const password = proxy === undefined ? undefined : URL.parse(proxy)?.password;
    return password === undefined || password === '' ? [] : [password, decodePercent(password)];
  });
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign is itself
  }
}
