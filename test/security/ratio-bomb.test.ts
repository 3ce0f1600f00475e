/** Archives that inflate to far more than they are: the volume, the memory and the time they cost are bounded (docs/security.md, "Limits"). */
import { createGzip, gzipSync, zstdCompressSync } from 'node:zlib';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { instantClock } from '../support/clock.ts';
import { END, file, header, pax, tar, tarZstd, tgz } from '../support/tar-builder.ts';
import { unpackInProcess } from '../support/unpack-process.ts';
import { refusal, unpack } from '../support/unpacking.ts';

const MIB = 1024 * 1024;

/** A gzipped tar of zeros, built as a stream, in files of 64 MiB. */
async function bomb(bytes: number): Promise<Buffer> {
  function* blocks(): Generator<Buffer> {
    for (let done = 0; done < bytes; done += MIB) {
      if (done % (64 * MIB) === 0) yield header({ name: `package/${done}`, size: Math.min(64 * MIB, bytes - done) });
      yield Buffer.alloc(MIB);
    }
    yield END;
  }
  return await buffer(Readable.from(blocks()).pipe(createGzip({ level: 9 })));
}

describe('a ratio bomb', () => {
  test('is refused with ratio, limit and setting', async () => {
    const error = await refusal(await bomb(64 * MIB));
    expect(error).toMatchObject({
      reason: 'CompressionRatioExceeded',
      exit: 65,
      details: { limit: 100, setting: 'PORTAL_PLUGINS_MAX_RATIO' },
    });
    expect(Number(error.details['value'])).toBeGreaterThan(100);
  });

  test('is stopped soon behind the floor', async () => {
    const error = await refusal(await bomb(100 * MIB));
    expect(Number(error.details['produced'])).toBeLessThan(18 * MIB);
  });

  test('of zstd is refused too', async () => {
    expect((await refusal(zstdCompressSync(tar(file('package/zeros', Buffer.alloc(32 * MIB)))))).reason).toBe(
      'CompressionRatioExceeded',
    );
  });

  test('of zeros behind the end marker is refused', async () => {
    const padded = gzipSync(Buffer.concat([tar(file('package/a')), Buffer.alloc(32 * MIB)]));
    expect(['ArchiveCorrupt', 'CompressionRatioExceeded']).toContain((await refusal(padded)).reason);
  });

  test('of many gzip members is refused: totals go on', async () => {
    const zeros = gzipSync(Buffer.alloc(MIB), { level: 9 });
    const members = [
      gzipSync(header({ name: 'package/zeros', size: 32 * MIB })),
      ...Array.from({ length: 32 }, () => zeros),
      gzipSync(END),
    ];
    expect((await refusal(Buffer.concat(members))).reason).toBe('CompressionRatioExceeded');
  });

  test('in a directory that is not wanted is refused', async () => {
    const image = tgz(file('a/package.json', '{}'), file('b/zeros', Buffer.alloc(32 * MIB)));
    expect((await refusal(image, { layout: 'image', wanted: ['a'] })).reason).toBe('CompressionRatioExceeded');
  });

  test('of extension headers is refused before it counts as anything else', async () => {
    const blocks = Array.from({ length: 9 }, () => pax({ comment: 'x'.repeat(65_000) }, 'g'));
    expect((await refusal(tgz(...blocks, file('package/a')))).reason).toBe('ArchiveCorrupt');
  });

  test('below the floor of 16 MiB is none: small archives of zeros are harmless', async () => {
    expect((await unpack(await bomb(15 * MIB))).tree.bytes).toBe(15 * MIB);
  });

  test('is none when its plugin is allowed the ratio', async () => {
    expect((await unpack(await bomb(20 * MIB), { context: { limits: { ratio: 2000 } } })).tree.bytes).toBe(20 * MIB);
  });
});

test('an archive of frames that hold nothing is given up at the deadline', async () => {
  const empty = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]); // skippable, RFC 8878 3.1.2
  const archive = Buffer.concat([...Array.from({ length: 100 }, () => empty), tarZstd(file('package/a'))]);
  let now = 0;
  const clock = { ...instantClock(), monotonic: () => now++ };
  expect((await refusal(archive, { context: { clock, deadline: 50 } })).reason).toBe('DeadlineExceeded');
});

describe('memory', () => {
  test('a bomb of 1 GiB is refused by a process with a 32 MiB heap, and costs it less than 48 MiB', async () => {
    const { reason, grownKiB } = await unpackInProcess(await bomb(1024 * MIB), {
      nodeOptions: ['--max-old-space-size=32'],
    });
    expect(reason).toBe('CompressionRatioExceeded');
    expect(grownKiB).toBeLessThan(48 * 1024);
  });

  test('an honest archive five times as large costs no more than a small one, give or take 24 MiB', async () => {
    // Random bytes, so that it is as large packed as unpacked.
    const noise = Buffer.from(Array.from({ length: 8 * MIB }, () => Math.random() * 256));
    const of = (count: number): Buffer =>
      tgz(...Array.from({ length: count }, (_, index) => file(`package/${index}`, noise.subarray(index))));
    const options = { nodeOptions: ['--max-old-space-size=32'] };
    const small = await unpackInProcess(of(2), options);
    const large = await unpackInProcess(of(10), options);
    expect([small.reason, large.reason]).toEqual(['ok', 'ok']);
    expect(large.grownKiB - small.grownKiB).toBeLessThan(24 * 1024);
  });

  test('100,000 entries fit into a 96 MiB heap', async () => {
    const blocks = Array.from({ length: 100_000 }, (_, index) =>
      file(`package/d${index % 300}/some-module-file-${index}.js`),
    );
    const { reason, grownKiB } = await unpackInProcess(gzipSync(Buffer.concat([...blocks, END])), {
      nodeOptions: ['--max-old-space-size=96'],
    });
    expect(reason).toBe('ok');
    expect(grownKiB).toBeLessThan(128 * 1024);
  });
});
