/** Limits in bytes, counts and milliseconds, each with the reason for its default (docs/configuration.md, "Limits"). */
export interface Limits {
  /** One archive as transferred. */
  readonly archiveBytes: number;
  /** One plugin, unpacked. */
  readonly unpackedBytes: number;
  /** The whole set, unpacked; 0 means size of the volume less 10 %. */
  readonly setBytes: number;
  readonly fileBytes: number;
  readonly files: number;
  /** Unpacked ÷ compressed, counted only above `ratioFloorBytes`. */
  readonly ratio: number;
  readonly ratioFloorBytes: number;
  readonly pathBytes: number;
  readonly segmentBytes: number;
  readonly pathDepth: number;
  readonly packumentBytes: number;
  readonly manifestBytes: number;
  readonly tokenBytes: number;
  readonly errorBodyBytes: number;
  readonly redirects: number;
  readonly attempts: number;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly pluginDeadlineMs: number;
  readonly runDeadlineMs: number;
  readonly concurrency: number;
  readonly concurrencyPerHost: number;
}

const MIB = 1024 * 1024;

/** Largest seen over 21 real plugins: archive 21 MB, unpacked 152 MB, 24,024 files, one file 12 MB, ratio 7.9. */
export const DEFAULT_LIMITS: Limits = {
  archiveBytes: 256 * MIB, // 12 times the largest seen
  unpackedBytes: 1024 * MIB, // 7 times
  setBytes: 0, // eviction is worse than an error, so the volume decides
  fileBytes: 128 * MIB, // 20 and 40 MB refused honest plugins elsewhere
  files: 100_000, // 4 times
  ratio: 100, // gzip's ceiling is 1,032
  ratioFloorBytes: 16 * MIB, // small archives of zeros are harmless
  pathBytes: 1024, // longest seen 162
  segmentBytes: 255, // what Linux file systems store
  pathDepth: 64,
  packumentBytes: 64 * MIB, // largest real packages
  manifestBytes: 4 * MIB, // what registries accept
  tokenBytes: MIB,
  errorBodyBytes: 64 * 1024,
  redirects: 5, // longest real chains are 2 to 3
  attempts: 5, // with the waits below, rides out a short outage
  retryBaseMs: 500,
  retryCapMs: 20_000,
  connectTimeoutMs: 10_000, // dead host
  headersTimeoutMs: 30_000, // registry that accepts and hangs
  bodyIdleTimeoutMs: 60_000, // stalled stream; also the window of the 1 KiB/s floor
  pluginDeadlineMs: 600_000, // bounds retries and Retry-After
  runDeadlineMs: 900_000,
  concurrency: 4, // more changes nothing on 2 cores
  concurrencyPerHost: 4, // usually all entries share one registry
};
