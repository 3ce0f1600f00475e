/** Which certificate authorities are trusted. `ca` replaces Node's list, so every own list starts with the default one. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { ClientTls } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED )?CERTIFICATE-----/g;

/**
 * PEM certificates of the bundle at `path`, each of them readable. Throws UsageInvalid naming file and position: a bundle that is only
 * half understood would fail later, at some host.
 */
export function readCaFile(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw unusable(path, 'cannot be read', cause);
  }
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw unusable(path, 'holds no PEM certificate', undefined);
  for (const [index, certificate] of certificates.entries()) {
    try {
      void new X509Certificate(certificate);
    } catch (cause) {
      throw unusable(path, `holds an unreadable certificate (number ${index + 1} of ${certificates.length})`, cause);
    }
  }
  return certificates;
}

function unusable(path: string, what: string, cause: unknown): InstallError {
  return new InstallError('UsageInvalid', `the CA file ${path} ${what}`, {
    details: { file: path, fix: 'correct PORTAL_PLUGINS_CA_FILE or mount a PEM bundle there' },
    cause,
  });
}

/**
 * Default authorities plus `authorities` plus those of `tls`, with the client certificate of `tls`; undefined when nothing is added, so
 * that Node's shared store is used: parsing the whole default list again costs 10 ms of CPU for each context.
 * Throws CredentialsInvalid when the material of `tls` cannot be used; it never shows it.
 */
export function secureContext(authorities: readonly string[], tls: ClientTls | undefined): SecureContext | undefined {
  const own = [...authorities, ...(tls?.ca ?? [])];
  const client = clientCertificate(tls);
  if (own.length === 0 && client === undefined) return undefined;
  try {
    return createSecureContext({ ca: [...getCACertificates('default'), ...own], ...client });
  } catch (cause) {
    throw new InstallError('CredentialsInvalid', 'the TLS material configured for a registry cannot be used', {
      details: { fix: 'correct ca, cafile, cert and key (or certfile and keyfile) of that registry' },
      cause,
    });
  }
}

function clientCertificate(tls: ClientTls | undefined): { readonly cert: string; readonly key: string } | undefined {
  if (tls?.cert === undefined && tls?.key === undefined) return undefined;
  if (tls.cert !== undefined && tls.key !== undefined) return { cert: tls.cert, key: tls.key };
  throw new InstallError('CredentialsInvalid', 'a client certificate needs both certificate and key', {
    details: { fix: 'configure cert and key (or certfile and keyfile) together' },
  });
}
