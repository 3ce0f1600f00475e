/**
 * Strict Subresource Integrity. `ssri` fails open on empty, malformed and unknown values and accepts md5 and sha1, so the whole string is
 * checked here first; W3C SRI (2016) section 3.5 for the format, docs/contracts.md "Integrity" for what is narrower than it.
 */
import ssri from 'ssri';
import { InstallError } from './errors.ts';
import type { Brand, Computed, Digest, HashAlgorithm } from './types.ts';

/** Canonical SRI: sha512, sha384 or sha256, one or more values separated by one space. */
export type Integrity = Brand<string, 'Integrity'>;

const BYTES: Readonly<Record<HashAlgorithm, number>> = { sha256: 32, sha384: 48, sha512: 64 };
const STRONGEST_FIRST: readonly HashAlgorithm[] = ['sha512', 'sha384', 'sha256'];
const MAX_TOKENS = 8;

/**
 * Parses one to eight SRI values (ASCII white space between them), or Butler's `sha512:<128 hex>`, into canonical SRI.
 * Throws IntegrityMalformed with the exact fault; md5, sha1, options, truncated and non-canonical values are faults.
 */
export function parseIntegrity(text: string): Integrity {
  const tokens = text.split(/[\t\n\f\r ]+/).filter((token) => token !== '');
  if (tokens.length === 0) throw malformed(text, 'the value is empty');
  if (tokens.length > MAX_TOKENS)
    throw malformed(text, `it holds ${tokens.length} values, at most ${MAX_TOKENS} are allowed`);
  const canonical = tokens.map((token) => parseToken(token, text)).join(' ');
  // ssri is the second reader: what it does not understand exactly as we do is refused.
  const again = ssri.parse(canonical, { strict: true });
  if (again === null || again.toString({ strict: true }).split(' ').length !== new Set(canonical.split(' ')).size) {
    throw malformed(text, 'it is not a valid SRI value');
  }
  return canonical as Integrity; // the one place that brands: every token was checked above
}

function parseToken(token: string, whole: string): string {
  const hex = /^sha512:([0-9a-f]{128})$/i.exec(token);
  if (hex?.[1] !== undefined) return `sha512-${Buffer.from(hex[1], 'hex').toString('base64')}`;
  if (token.startsWith('sha512:'))
    throw malformed(
      whole,
      `sha512: needs 128 hexadecimal digits after the colon, found ${token.length - 7} characters`,
    );
  const match = /^([a-z0-9]+)-(.*)$/is.exec(token);
  if (match?.[1] === undefined || match[2] === undefined)
    throw malformed(whole, 'it does not start with sha512-, sha384- or sha256-');
  const [, algorithm, value] = match;
  if (!isAlgorithm(algorithm))
    throw malformed(whole, `${algorithm.slice(0, 20)} is not accepted, only sha512, sha384 and sha256 are`);
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== BYTES[algorithm] || bytes.toString('base64') !== value) {
    const wanted = Math.ceil(BYTES[algorithm] / 3) * 4;
    throw malformed(
      whole,
      `${algorithm} needs ${wanted} characters of canonical base64 after the dash, found ${value.length}`,
    );
  }
  return `${algorithm}-${value}`;
}

function isAlgorithm(name: string): name is HashAlgorithm {
  return Object.hasOwn(BYTES, name);
}

function malformed(text: string, why: string): InstallError {
  return new InstallError('IntegrityMalformed', `integrity is malformed: ${why}`, {
    details: { value: text.slice(0, 200) },
  });
}

/** The strongest algorithm present: it alone decides, its values are alternatives, weaker ones never decide. */
export function decidingAlgorithm(integrity: Integrity): HashAlgorithm {
  for (const algorithm of STRONGEST_FIRST)
    if (integrity.split(' ').some((value) => value.startsWith(`${algorithm}-`))) return algorithm;
  throw new InstallError('Internal', 'an Integrity without a known algorithm exists');
}

/** True when the computed hash of the deciding algorithm equals one of its values; decoded bytes are compared. */
export function matchesIntegrity(expected: Integrity, computed: Computed): boolean {
  const algorithm = decidingAlgorithm(expected);
  const actual = computed[algorithm];
  if (actual === undefined) throw new InstallError('Internal', `${algorithm} was demanded but not computed`);
  const bytes = hashBytes(actual);
  return expected.split(' ').some((value) => value.startsWith(`${algorithm}-`) && hashBytes(value).equals(bytes));
}

function hashBytes(value: string): Buffer {
  return Buffer.from(value.slice(value.indexOf('-') + 1), 'base64');
}

/** `sha256:<hex>` of an OCI descriptor as SRI. The digest must have been parsed with parseDigest. */
export function digestToIntegrity(digest: Digest): Integrity {
  const [algorithm, hex] = digest.split(':');
  return `${algorithm}-${Buffer.from(hex ?? '', 'hex').toString('base64')}` as Integrity; // same bytes, other spelling
}

/** SRI value of raw hash bytes. */
export function integrityOf(algorithm: HashAlgorithm, hash: Buffer): Integrity {
  return `${algorithm}-${hash.toString('base64')}` as Integrity; // made from hash bytes, so canonical
}

/** Strict digest grammar (`sha256:` + 64 or `sha512:` + 128 lower-case hex), or undefined. OCI image-spec v1.1, descriptor.md, "Digests". */
export function parseDigest(text: string): Digest | undefined {
  return /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text) ? (text as Digest) : undefined; // just matched
}
