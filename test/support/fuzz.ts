/** How long properties are tried: quickly by default, `npm run fuzz` (FUZZ_RUNS) for long. fast-check prints seed and path of a failure. */
const DEFAULT_RUNS = 200;

export function fuzzParameters(): { readonly numRuns: number } {
  return { numRuns: Number(process.env['FUZZ_RUNS'] ?? DEFAULT_RUNS) };
}
