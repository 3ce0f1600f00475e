import type { Limits } from './limits.ts';
import type { StepOptions } from './context.ts';

/** All settings of a run, resolved once in `config/settings.ts` from flags, environment and defaults. */
export interface Settings {
  readonly list: ListSettings;
  /** Plugin root as given; made absolute against `cwd`. */
  readonly root: string;
  readonly cwd: string;
  readonly log: LogSettings;
  readonly terminationLog: string;
  readonly network: NetworkSettings;
  readonly credentials: CredentialSettings;
  readonly stage: StageSettings;
  readonly limits: Limits;
  readonly options: Omit<StepOptions, 'requireIntegrity' | 'isInsecureHost' | 'isPrivateHost'>;
  /** Remarks about the environment (unknown PORTAL_PLUGINS_* names), printed as warnings. */
  readonly warnings: readonly string[];
}

/**
 * Where the list comes from (docs/configuration.md, "Plugin list"): at most one of the three is set,
 * none means the well-known places. Paths are absolute.
 */
export interface ListSettings {
  readonly config: string | undefined;
  readonly values: readonly string[];
  /** PORTAL_PLUGINS_LIST: the document itself. */
  readonly inline: string | undefined;
}

export interface LogSettings {
  readonly format: 'logfmt' | 'json' | 'pretty';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly color: boolean;
}

export interface NetworkSettings {
  readonly httpProxy: string | undefined;
  readonly httpsProxy: string | undefined;
  readonly noProxy: string;
  /** PEM bundle added to Node's default CAs. */
  readonly caFile: string | undefined;
  /** `host` or `host:port` that may be spoken to over plain http. */
  readonly insecureHosts: readonly string[];
  /** `host`, `host:port`, IP or CIDR that redirects may reach although it is private. */
  readonly allowPrivateRedirects: readonly string[];
  readonly userAgent: string;
}

export interface CredentialSettings {
  /** PORTAL_PLUGINS_REGISTRY_AUTH_FILES, then $DOCKER_CONFIG/config.json, then $REGISTRY_AUTH_FILE: in the order they are read. */
  readonly registryAuthFiles: readonly AuthFile[];
  /** NPM_CONFIG_USERCONFIG or PORTAL_PLUGINS_NPMRC. */
  readonly npmrc: string | undefined;
  /** Values of the variables that `.npmrc` may expand. */
  readonly npmrcVariables: Readonly<Record<string, string>>;
  /** Directory that holds docker-credential-* programs; undefined: none is ever run. */
  readonly credentialHelperDir: string | undefined;
}

export interface AuthFile {
  readonly path: string;
  /** A file the operator named must exist; one of the ecosystem's defaults may be absent. */
  readonly isRequired: boolean;
}

export interface StageSettings {
  /** `fast`: sizes, counts and change times; `full`: every file is hashed again. */
  readonly verifyOnStart: 'fast' | 'full';
  /** `auto`: on unless the volume is memory- or node-local scratch (docs/architecture.md, "Staging"). */
  readonly fsync: 'auto' | 'on' | 'off';
  /** UID of the pod, for the lock; undefined: read from the mount table, else unknown. */
  readonly podUid: string | undefined;
}
