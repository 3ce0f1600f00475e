/** Runs of each property: few in CI, many in `npm run fuzz`. fast-check prints seed and path of a failure. */
export function fuzzRuns(byDefault: number): { readonly numRuns: number } {
  const wanted = Number(process.env['FUZZ_RUNS'] ?? '');
  return { numRuns: Number.isSafeInteger(wanted) && wanted > 0 ? wanted : byDefault };
}
