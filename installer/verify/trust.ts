import type { Resolved } from '../core/types.ts';

/** What signatures and provenance say about a pin. `off`: no policy asks. */
export interface TrustVerdict {
  readonly verdict: 'off';
}

/**
 * The seam for signatures: awaited after a reference is resolved and before any archive byte is fetched, so that a policy can refuse on
 * the manifest digest (OCI) or name, version and integrity (npm) alone. No policy can be configured yet: a `trust` key in the list is an
 * unknown key and refused, never ignored.
 */
export function verifyTrust(_resolved: Resolved): Promise<TrustVerdict> {
  return Promise.resolve({ verdict: 'off' });
}
