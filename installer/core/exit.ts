/** Exit codes (sysexits) and their precedence: docs/contracts.md, "Exit codes". Pure. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 64,
  trust: 65,
  notFound: 66,
  unavailable: 69,
  volume: 73,
  space: 74,
  tempfail: 75,
  auth: 77,
  config: 78,
  interrupted: 130,
  terminated: 143,
} as const;

/** Highest first. Signals and usage end a run alone, so they lead. */
const PRECEDENCE: readonly number[] = [143, 130, 64, 1, 78, 65, 77, 66, 73, 74, 69, 75];

/** Failures that `continueOnError` never covers (docs/contracts.md, "Exit codes"). */
const NEVER_TOLERATED: ReadonlySet<number> = new Set([1, 64, 73, 74, 78, 130, 143]);

/** The code that decides among several failures; 0 for none. */
export function exitCodeOf(codes: readonly number[]): number {
  for (const code of PRECEDENCE) if (codes.includes(code)) return code;
  return codes.length === 0 ? EXIT.ok : EXIT.internal;
}

/** Whether `continueOnError` may cover a failure with this exit code. */
export function isTolerable(code: number): boolean {
  return !NEVER_TOLERATED.has(code);
}

/** Failures that make going on with the other entries pointless: a bug, the volume, no space. */
export function endsTheRun(code: number): boolean {
  return (
    code === EXIT.internal ||
    code === EXIT.volume ||
    code === EXIT.space ||
    code === EXIT.terminated ||
    code === EXIT.interrupted
  );
}
