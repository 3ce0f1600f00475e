/** The registry of source kinds, and the one way from a text to a reference. A new kind: one file, one line here. */
import { InstallError } from '../core/errors.ts';
import { escapeText, redactReference } from '../core/redact.ts';
import type { ParseContext, Reference, Source } from '../core/types.ts';
import { fileSource } from './file.ts';
import { httpsSource } from './https.ts';
import { npmSource } from './npm.ts';
import { ociSource } from './oci.ts';

/** In the order they are asked; npm takes bare specs and therefore everything that is left. */
export const SOURCES: readonly Source[] = [ociSource, httpsSource, fileSource, npmSource];

const SCHEMES = ['oci:', 'https:', 'http:', 'file:', 'npm:'];
const LONGEST = 4096;

/**
 * The reference a text means (docs/contracts.md, "Package references"). Throws ReferenceInvalid with the fix for everything else; userinfo
 * and queries never reach the message.
 */
export function parseReference(text: string, ctx: ParseContext): Reference {
  if (text.trim() === '') throw invalid(text, 'it is empty');
  if (text.length > LONGEST) throw invalid(text, `it is longer than ${LONGEST} characters`);
  if (text !== text.trim())
    throw invalid(text, 'it has white space around it', `write ${redactReference(text.trim())}`);
  if (escapeText(text) !== text) throw invalid(text, 'it holds control or invisible characters');
  refuseScheme(text);
  for (const source of SOURCES) {
    const reference = source.parse(text, ctx);
    if (reference !== undefined) return reference;
  }
  throw invalid(text, 'no kind of source knows it');
}

function refuseScheme(text: string): void {
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0];
  if (scheme === undefined || SCHEMES.includes(scheme)) return;
  const rest = text.slice(scheme.length);
  const lower = scheme.toLowerCase();
  if (SCHEMES.includes(lower)) {
    throw invalid(text, 'a scheme is written in lower case', `write ${redactReference(`${lower}${rest}`)}`);
  }
  if (lower === 'docker:')
    throw invalid(text, 'the scheme of OCI registries is oci', `write ${redactReference(`oci:${rest}`)}`);
  if (/^(?:git(?:\+[a-z]+)?|ssh|github|gitlab|bitbucket|gist):$/.test(lower)) {
    throw invalid(
      text,
      'git repositories cannot be pinned by an archive hash',
      'publish the plugin to an npm or OCI registry, or link a release archive as https://HOST/x.tgz',
    );
  }
  // `localhost:5000/a:1` is a registry without its scheme.
  const isHostAndPort = /^\d{1,5}\//.test(rest);
  const fix = isHostAndPort ? `write oci://${redactReference(text)}` : undefined;
  throw invalid(text, `${redactReference(scheme)} is not a scheme of a source`, fix);
}

function invalid(text: string, why: string, fix?: string): InstallError {
  const shown = redactReference(text);
  return new InstallError('ReferenceInvalid', `${shown} is not a package reference: ${why}`, {
    details: { reference: shown, cause: why, ...(fix === undefined ? {} : { fix }) },
  });
}
