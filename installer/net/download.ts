/** Archive bytes into scratch space: counted, limited and hashed while they are written (docs/sources.md, "Downloads"). */
import { RANGE_REFUSED } from '../core/archive-body.ts';
import type { Context } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { digestToIntegrity } from '../core/integrity.ts';
import type { AbsPath, Body, Computed, FetchedArchive, HashAlgorithm, Part, ResumePoint } from '../core/types.ts';
import { ArchiveFile } from './archive-file.ts';
import { reportProgress } from './download-progress.ts';
import type { Progress } from './download-progress.ts';

/** A new request costs as much as this many bytes; below it a fresh start is simpler and no slower. */
const RESUME_BYTES = 64 * 1024;
const SIZE_MISMATCH = 'size_mismatch';
/** After these what is on disk is of no use: the peer has something else now, or will not continue. */
const RESTARTING: ReadonlySet<string | undefined> = new Set([RANGE_REFUSED, SIZE_MISMATCH]);

export interface DownloadTarget {
  /** Must not exist; its directory must. */
  readonly path: AbsPath;
  /** Hashes that checks demand; when no one demands any, sha512 is computed. */
  readonly algorithms: readonly HashAlgorithm[];
}

/** A download on its way; shared by its attempts. */
interface Download {
  readonly part: Part;
  readonly ctx: Context;
  readonly file: ArchiveFile;
  readonly progress: Progress;
  /** Largest offset any attempt reached, in bytes; progress is what goes beyond it. */
  furthest: number;
  validator: string | undefined;
  /** Size the peer announced, in bytes. */
  announced: number | undefined;
  from: string;
}

/**
 * Streams `part` into `target.path` (mode 0600) and returns its size in bytes and the SRI values computed on the way. Broken transfers are
 * taken up where they ended if the peer allows it. Throws SizeBudgetExceeded past `limits.archiveBytes` (before the first byte when the
 * size is announced), RegistryUnavailable when the announced size is not met after all attempts, DigestMismatch when size or hash are not
 * those of `claims.digest` in two full downloads, VolumeFull and VolumeNotWritable, and whatever `part.open` throws. After any throw the file
 * is gone. OCI distribution-spec v1.1, "Pulling blobs": the client verifies, not the server.
 */
export async function downloadPart(part: Part, target: DownloadTarget, ctx: Context): Promise<FetchedArchive> {
  refuseOversize(part, part.claims.bytes, ctx);
  const file = await ArchiveFile.create(target.path, algorithmsFor(part, target));
  using progress = reportProgress(part, ctx);
  const download: Download = {
    part,
    ctx,
    file,
    progress,
    furthest: 0,
    validator: undefined,
    announced: part.claims.bytes,
    from: part.label,
  };
  try {
    const computed = await downloadMatching(download);
    await file.close();
    const { bytes } = file;
    return {
      path: target.path,
      bytes,
      computed,
      claims: part.claims,
      announced: download.announced,
      from: download.from,
    };
  } catch (error) {
    await file.remove();
    throw error;
  }
}

function algorithmsFor(part: Part, target: DownloadTarget): readonly HashAlgorithm[] {
  const wanted = new Set(target.algorithms);
  if (part.claims.digest !== undefined) wanted.add(part.claims.digest.startsWith('sha512:') ? 'sha512' : 'sha256');
  return wanted.size === 0 ? ['sha512'] : [...wanted];
}

/** A blob with a wrong size or digest gets one fresh try: a cache in between may be broken. */
async function downloadMatching(download: Download): Promise<Computed> {
  const first = await downloadChecked(download);
  if (!(first instanceof InstallError)) return first;
  const { ctx, file } = download;
  ctx.emit({ event: 'note', level: 'warn', text: `${first.message}; fetching it once more`, subject: ctx.subject });
  await file.restart();
  const second = await downloadChecked(download);
  if (second instanceof InstallError) throw await explained(second, download);
  return second;
}

/** The hashes, or the DigestMismatch; everything else is thrown. */
async function downloadChecked(download: Download): Promise<Computed | InstallError> {
  try {
    await downloadFully(download);
  } catch (error) {
    if (error instanceof InstallError && error.reason === 'DigestMismatch') return error;
    throw error;
  }
  const computed = download.file.digest();
  return hasClaimedDigest(download, computed) ? computed : digestMismatch(download, computed);
}

async function downloadFully(download: Download): Promise<void> {
  const { http, signal, deadline, emit, subject } = download.ctx;
  const progress = (): number => download.furthest;
  await http.retry(async () => attempt(download), { signal, deadline, emit, subject, progress });
}

async function attempt(download: Download): Promise<void> {
  const { part, ctx, file } = download;
  const from = resumePoint(download);
  try {
    const body = await part.open(ctx, from);
    await receive(body, from, download);
  } catch (error) {
    await file.settle();
    if (error instanceof InstallError && RESTARTING.has(error.transient?.code)) await file.restart();
    throw error;
  }
}

/** Content named by its digest can always go on; anything else only with a validator, or two versions could be spliced. */
function resumePoint({ part, file, validator }: Download): ResumePoint {
  const canResume = file.bytes >= RESUME_BYTES && (part.claims.digest !== undefined || validator !== undefined);
  return canResume ? { offset: file.bytes, validator } : { offset: 0, validator: undefined };
}

async function receive(body: Body, from: ResumePoint, download: Download): Promise<void> {
  const { file, progress, ctx, part } = download;
  try {
    if (body.offset !== 0 && body.offset !== from.offset) {
      throw new InstallError('Internal', `${part.label} continued at ${body.offset} instead of ${from.offset}`);
    }
    if (body.offset === 0 && file.bytes > 0) await file.restart();
    acceptAnnouncement(body, download);
  } catch (error) {
    await body.stream[Symbol.asyncIterator]().return?.();
    throw error;
  }
  for await (const chunk of body.stream) {
    const bytes = file.bytes + chunk.byteLength;
    refuseOversize(part, bytes, ctx);
    refuseLonger(download, bytes);
    await file.append(chunk);
    download.furthest = Math.max(download.furthest, bytes);
    progress.update(bytes, download.announced);
  }
  await file.settle();
  if (download.announced !== undefined && file.bytes < download.announced) throw shortBody(download);
}

/** Takes note of address, validator and size; throws when the sizes of two sources differ or the limit would be passed. */
function acceptAnnouncement(body: Body, download: Download): void {
  const { part, ctx } = download;
  download.from = body.from;
  download.validator = body.validator;
  const known = part.claims.bytes ?? (body.offset === 0 ? undefined : download.announced);
  if (known !== undefined && body.total !== undefined && known !== body.total) {
    throw sizeMismatch(download, 'is announced with another size', { expected: known, found: body.total });
  }
  download.announced = known ?? body.total;
  refuseOversize(part, download.announced, ctx);
}

function refuseLonger(download: Download, bytes: number): void {
  const { announced } = download;
  if (announced === undefined || bytes <= announced) return;
  throw sizeMismatch(download, 'is longer than announced', { expected: announced, found: bytes });
}

function hasClaimedDigest({ part }: Download, computed: Computed): boolean {
  const { digest } = part.claims;
  if (digest === undefined) return true;
  return computed[digest.startsWith('sha512:') ? 'sha512' : 'sha256'] === digestToIntegrity(digest);
}

function refuseOversize(part: Part, bytes: number | undefined, ctx: Context): void {
  const limit = ctx.limits.archiveBytes;
  if (bytes === undefined || bytes <= limit) return;
  const setting = 'PORTAL_PLUGINS_MAX_BLOB_BYTES';
  throw new InstallError(
    'SizeBudgetExceeded',
    `${part.label} is larger than an archive may be: ${bytes} bytes, the limit is ${limit}`,
    {
      details: { bytes, limit, setting, fix: `if the archive is honest, raise ${setting} (now ${limit})` },
    },
  );
}

function digestMismatch({ part, file, from }: Download, computed: Computed): InstallError {
  const expected = part.claims.digest ?? '';
  const [algorithm = ''] = expected.split(':');
  const value = computed[algorithm === 'sha512' ? 'sha512' : 'sha256'] ?? '';
  const found = `${algorithm}:${Buffer.from(value.slice(value.indexOf('-') + 1), 'base64').toString('hex')}`;
  return new InstallError('DigestMismatch', `${part.label} arrived with the digest ${found} instead of ${expected}`, {
    details: { expected, computed: found, bytes: file.bytes, expectedBytes: part.claims.bytes, from },
  });
}

interface Sizes {
  readonly expected: number;
  readonly found: number;
}

/** A cache or proxy in between may have replaced the body. For content named by its digest another size is another digest. */
function sizeMismatch({ part, from }: Download, text: string, { expected, found }: Sizes): InstallError {
  const message = `${part.label} ${text}: ${found} bytes instead of ${expected}`;
  const details = { expectedBytes: expected, bytes: found, from };
  const { digest } = part.claims;
  if (digest !== undefined)
    return new InstallError('DigestMismatch', message, { details: { expected: digest, ...details } });
  return new InstallError('RegistryUnavailable', message, { details, transient: { code: SIZE_MISMATCH } });
}

/** HTTP says the body is complete. A peer without any framing may have been cut, so what has no digest is taken up where it ended. */
function shortBody(download: Download): InstallError {
  const { part, from, file, announced = 0 } = download;
  const sizes = { expected: announced, found: file.bytes };
  if (part.claims.digest !== undefined) return sizeMismatch(download, 'ended early', sizes);
  const message = `${part.label} ended early: ${sizes.found} bytes instead of ${sizes.expected}`;
  const details = { expectedBytes: sizes.expected, bytes: sizes.found, from };
  return new InstallError('RegistryUnavailable', message, { details, transient: { code: 'short_body' } });
}

/** The same failure with the cause, where the bytes show it. */
async function explained(error: InstallError, { file, announced }: Download): Promise<InstallError> {
  const cause = causeOf(await file.beginning(), { bytes: file.bytes, announced });
  if (cause === undefined) return error;
  return new InstallError(error.reason, error.message, { details: { ...error.details, cause }, cause: error });
}

function causeOf(
  beginning: Buffer,
  { bytes, announced }: { readonly bytes: number; readonly announced: number | undefined },
): string | undefined {
  // Archives begin with a magic number or a file name; pages with a tag, registries' errors with a brace.
  if (/^[\s\ufeff]*[<{[]/.test(beginning.toString('utf8')))
    return 'the body is a page or text, probably of a login or an error';
  if (bytes > 0 && announced !== undefined && bytes < announced)
    return 'the body is shorter than announced: it was cut on the way';
  return undefined;
}
