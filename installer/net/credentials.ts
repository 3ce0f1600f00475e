/** All credentials of a run behind one interface: docker config files for OCI, `.npmrc` for npm and https. */
import type { CredentialProvider, OciCredential } from '../core/context.ts';
import type { CredentialSettings } from '../core/settings.ts';
import { createDockerCredentials } from './docker-config.ts';
import { readNpmrc, type NpmrcConfig } from './npmrc.ts';

export interface LoadedCredentials {
  readonly provider: CredentialProvider;
  readonly npmrc: NpmrcConfig;
  /** Every secret value loaded so far; grows while docker config files and helpers are read. For the redactor. */
  readonly secrets: readonly string[];
}

/**
 * Reads `.npmrc`, since references cannot be parsed without its registries, and checks that docker config files can be understood, so that a
 * broken Secret is reported before any network access. Throws CredentialsInvalid.
 */
export async function createCredentials(
  settings: CredentialSettings,
  isInsecureHost: (host: string) => boolean,
): Promise<LoadedCredentials> {
  const npmrc = await readNpmrc(settings.npmrc, settings.npmrcVariables, isInsecureHost);
  const docker = createDockerCredentials(settings);
  await docker.validate();
  const loaded = new Set(npmrc.secrets);
  return {
    npmrc,
    get secrets() {
      return [...loaded];
    },
    provider: {
      npm: (url, registry) => npmrc.npm(url, registry),
      https: (url) => npmrc.https(url),
      async oci(registry, repository) {
        const candidates = await docker.oci(registry, repository);
        for (const candidate of candidates) loaded.add(secretOf(candidate));
        return candidates;
      },
    },
  };
}

function secretOf(credential: OciCredential): string {
  return credential.kind === 'basic' ? credential.password : credential.token;
}
