/** The words of AuthRefused: who was refused by what, and what usually helps at this registry. Pure. */
import type { OciCredential } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import type { OciTarget } from './reference.ts';

/** Undefined: no credential, an anonymous request. */
export type Candidate = OciCredential | undefined;

/** One candidate that the registry or its token service turned down. */
export interface Refusal {
  readonly candidate: Candidate;
  /** Status of the registry's answer. */
  readonly status: number;
  /** What the registry or the token service said. */
  readonly said: string | undefined;
}

/** AuthRefused for a repository after every candidate was refused; `details.tried` has one line for each, with file and key. */
export function authRefused(target: OciTarget, refusals: readonly Refusal[]): InstallError {
  const { registry, repository } = target;
  const tried = refusals.map(describe);
  const hasCredential = refusals.some(({ candidate }) => candidate !== undefined);
  const who = hasCredential
    ? `refused ${tried.length === 1 ? 'the credential' : 'all credentials'} for`
    : 'refused access to';
  const why = hasCredential ? '' : ', no credential matched';
  const status = refusals.at(-1)?.status ?? 401;
  return new InstallError(
    'AuthRefused',
    `${registry} ${who} ${repository} (not found or no access${why}): ${tried.join('; ')}`,
    { details: { registry, repository, status, tried, fix: fixFor(target, refusals) } },
  );
}

function describe({ candidate, status, said }: Refusal): string {
  const words = said === undefined ? '' : ` (${said})`;
  return `${candidate?.label ?? 'anonymous'}: ${status}${words}`;
}

function fixFor({ registry, repository }: OciTarget, refusals: readonly Refusal[]): string {
  const candidates = refusals.flatMap(({ candidate }) => (candidate === undefined ? [] : [candidate]));
  const hint = hintFor(registry, candidates);
  if (candidates.length === 0) {
    return `mount a docker config with a key for ${registry}/${repository} if the repository is private, or correct its name${hint}`;
  }
  return `renew the credential in ${candidates.map(({ label }) => label).join(', ')}, or correct the name of the repository${hint}`;
}

function hintFor(registry: string, candidates: readonly OciCredential[]): string {
  const isRobotCut = candidates.some((candidate) => candidate.kind === 'basic' && candidate.username === 'robot');
  if (isRobotCut) return '; Harbor robot names hold a $ that a shell removes unless it is quoted';
  if (candidates.length === 0) return '';
  if (registry === 'ghcr.io') {
    return '; ghcr.io needs a classic token with read:packages, and an expired one makes public images fail too';
  }
  if (/\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/.test(registry)) {
    return '; ECR tokens live 12 hours, so the Secret must be kept fresh';
  }
  return '';
}
