/** Registry credentials from mounted docker config files (docs/sources.md, "Credentials"). */
import type { OciCredential } from '../core/context.ts';
import { errorCode, InstallError } from '../core/errors.ts';
import type { AuthFile, CredentialSettings } from '../core/settings.ts';
import { readBoundedText } from './bounded-file.ts';
import { askHelper } from './credential-helper.ts';
import { credentialsInvalid, parseDockerConfig, type DockerConfig } from './docker-auth.ts';
import { compareKeys, keyApplies, registryAddress, type RegistryAddress, type RegistryKey } from './docker-key.ts';

export interface DockerCredentials {
  /**
   * Candidates for a repository of `registry` (`host[:port]`) in the order they are tried: exact host before wildcard, more path segments
   * first, then file order. Empty: anonymous. Throws CredentialsInvalid.
   */
  oci(registry: string, repository: string): Promise<readonly OciCredential[]>;
  /** Reads and parses all files now; throws CredentialsInvalid for the first that cannot be used. */
  validate(): Promise<void>;
}

interface Found {
  readonly key: RegistryKey;
  readonly credential: OciCredential;
}

const MAX_FILE = 1024 * 1024; // what a Secret can hold
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);

/** Files are read once, when they are first needed. */
export function createDockerCredentials(settings: CredentialSettings): DockerCredentials {
  let reading: Promise<readonly DockerConfig[]> | undefined;
  const configs = async (): Promise<readonly DockerConfig[]> => {
    reading ??= readConfigs(settings.registryAuthFiles);
    return reading;
  };
  const asked = new Map<string, Promise<OciCredential | undefined>>();
  const ask: AskHelper = async (config, name, server) => {
    const key = JSON.stringify([config.path, name, server]);
    const running = asked.get(key) ?? runConfigured(settings, { config, name, server });
    asked.set(key, running);
    return running;
  };
  return {
    async oci(registry, repository) {
      const address = registryAddress(registry, repository);
      return address === undefined ? [] : candidates(await configs(), address, ask);
    },
    async validate() {
      await configs();
    },
  };
}

type AskHelper = (config: DockerConfig, name: string, server: string) => Promise<OciCredential | undefined>;

async function candidates(
  configs: readonly DockerConfig[],
  address: RegistryAddress,
  ask: AskHelper,
): Promise<readonly OciCredential[]> {
  const found: Found[] = [];
  for (const config of configs) found.push(...(await inConfig(config, address, ask)));
  return found.sort((a, b) => compareKeys(a.key, b.key)).map(({ credential }) => credential);
}

/** A helper named for the registry comes before the file's own entries, as in Docker; the store answers for keys kept elsewhere. */
async function inConfig(config: DockerConfig, address: RegistryAddress, ask: AskHelper): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const { key, name, server } of config.helpers) {
    const credential = keyApplies(key, address) ? await ask(config, name, server) : undefined;
    if (credential !== undefined) found.push({ key, credential });
  }
  for (const { key, credential, server } of config.entries) {
    if (!keyApplies(key, address)) continue;
    const isElsewhere = credential === undefined && config.store !== undefined;
    const secret = isElsewhere ? await ask(config, config.store, server) : credential;
    if (secret !== undefined) found.push({ key, credential: secret });
  }
  return found;
}

async function runConfigured(
  { credentialHelperDir }: CredentialSettings,
  { config, name, server }: { readonly config: DockerConfig; readonly name: string; readonly server: string },
): Promise<OciCredential | undefined> {
  if (credentialHelperDir !== undefined) {
    return askHelper({ directory: credentialHelperDir, name, server, file: config.path });
  }
  throw credentialsInvalid(
    config.path,
    `keeps the credential of ${server} in docker-credential-${name}, which is not run here`,
    {
      fix: 'mount a Secret of type kubernetes.io/dockerconfigjson that External Secrets or a CronJob keeps fresh, or use a node-level mirror',
    },
  );
}

async function readConfigs(files: readonly AuthFile[]): Promise<readonly DockerConfig[]> {
  const configs: DockerConfig[] = [];
  const seen = new Set<string>();
  for (const file of files) {
    if (seen.has(file.path)) continue;
    seen.add(file.path);
    const text = await readFile(file);
    if (text !== undefined) configs.push(parseDockerConfig(file.path, text));
  }
  return configs;
}

/** Undefined when the file is one of the ecosystem's defaults and does not exist. */
async function readFile({ path, isRequired }: AuthFile): Promise<string | undefined> {
  try {
    const text = await readBoundedText(path, MAX_FILE);
    if (text === undefined) throw credentialsInvalid(path, `is larger than ${MAX_FILE} bytes`);
    return text;
  } catch (error) {
    if (error instanceof InstallError) throw error;
    const code = errorCode(error) ?? 'unknown error';
    if (!isRequired && ABSENT.has(code)) return undefined;
    throw credentialsInvalid(path, `cannot be read (${code})`, { cause: error });
  }
}
