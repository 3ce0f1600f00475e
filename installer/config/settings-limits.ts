/** Rows of the settings table about limits; the numbers stand in core/limits.ts. */
import { DEFAULT_LIMITS as LIMITS } from '../core/limits.ts';
import { count, type Setting, size } from './setting-kinds.ts';
import { ALL, row } from './settings-row.ts';

export const LIMIT_SETTINGS = {
  archiveBytes: size(
    row('max-blob-bytes', 'Limits', ALL, ['one archive as transferred', '12 times the largest of 21 real plugins']),
    LIMITS.archiveBytes,
  ),
  unpackedBytes: size(
    row('max-unpacked-bytes', 'Limits', ALL, ['one plugin, unpacked', '7 times the largest seen']),
    LIMITS.unpackedBytes,
  ),
  fileBytes: size(
    row('max-file-bytes', 'Limits', ALL, ['one file of a plugin', '20 and 40 MB refused honest plugins elsewhere']),
    LIMITS.fileBytes,
  ),
  files: count(
    row('max-files', 'Limits', ALL, ['archive entries of one plugin', '4 times the largest seen']),
    LIMITS.files,
    { min: 1, max: 10_000_000 },
  ),
  ratio: count(
    row('max-ratio', 'Limits', ALL, [
      'unpacked ÷ compressed bytes, above 16 MiB',
      "honest maximum 8, gzip's ceiling 1,032",
    ]),
    LIMITS.ratio,
    {
      min: 1,
      max: 100_000,
    },
  ),
  pathBytes: count(
    row('max-path-bytes', 'Limits', ALL, ['length of a path in an archive', 'the longest seen is 162']),
    LIMITS.pathBytes,
    { min: 16, max: 4096 },
  ),
  pathDepth: count(
    row('max-path-depth', 'Limits', ALL, ['directories in a path', 'deeper ones are not made by package managers']),
    LIMITS.pathDepth,
    {
      min: 1,
      max: 2048,
    },
  ),
  packumentBytes: size(
    row('max-packument-bytes', 'Limits', ALL, ['npm metadata of one package', 'the largest real packages']),
    LIMITS.packumentBytes,
  ),
  manifestBytes: size(
    row('max-manifest-bytes', 'Limits', ALL, ['one OCI manifest', 'what registries accept']),
    LIMITS.manifestBytes,
  ),
} as const satisfies Record<string, Setting<unknown>>;
