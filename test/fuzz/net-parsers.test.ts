import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseContentLength, parseContentRange } from '../../installer/core/content-range.ts';
import { parseHostList } from '../../installer/net/host-list.ts';
import { parseNoProxy } from '../../installer/net/no-proxy.ts';
import { parseRetryAfter } from '../../installer/net/retry-after.ts';

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 500);
const NOW = new Date('2026-01-02T03:04:05.000Z');
const size = fc.maxSafeNat();
const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.'));
/** Text that looks like the real thing often enough. */
const mess = fc.string({ unit: fc.constantFrom(...'0123456789abcdef.:/[]*-,=% \tGMTbytes'.split('')), maxLength: 60 });

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

function check<T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): void {
  fc.assert(
    fc.property(arbitrary, (value) => {
      holds(value);
    }),
    { numRuns },
  );
}

describe('Content-Range', () => {
  test('every valid range comes back as it was written', () => {
    check(fc.tuple(size, size, size), (numbers) => {
      const [start = 0, end = 0, last = 0] = numbers.toSorted((a, b) => a - b);
      fc.pre(last < Number.MAX_SAFE_INTEGER);
      expect(parseContentRange(`bytes ${start}-${end}/${last + 1}`)).toEqual({ start, end, size: last + 1 });
      expect(parseContentRange(`bytes ${start}-${end}/*`)).toEqual({ start, end, size: undefined });
    });
  });

  test('whatever is accepted is a range inside the size, whatever else is refused without an exception', () => {
    check(
      fc.oneof(
        mess,
        fc.string(),
        mess.map((text) => `bytes ${text}`),
      ),
      (header) => {
        const range = parseContentRange(header);
        if (range === undefined) return;
        expect(range.start).toBeLessThanOrEqual(range.end);
        expect(range.end).toBeLessThan(range.size ?? Number.POSITIVE_INFINITY);
        expect(Number.isSafeInteger(range.end)).toBe(true);
      },
    );
  });

  test('a content length is the number that was written or nothing', () => {
    check(size, (length) => expect(parseContentLength(String(length))).toBe(length));
    check(fc.string(), (text) => {
      const length = parseContentLength(text);
      if (length !== undefined) expect(Number(text)).toBe(length);
    });
  });
});

describe('Retry-After', () => {
  test('a date is the time until it, never negative', () => {
    const date = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    check(date, (at) => {
      at.setUTCMilliseconds(0);
      expect(parseRetryAfter(at.toUTCString(), NOW)).toBe(Math.max(0, at.getTime() - NOW.getTime()));
    });
  });

  test('anything else is a wait of at least 0 ms or nothing, without an exception', () => {
    check(fc.oneof(mess, fc.string()), (header) => {
      const wait = parseRetryAfter(header, NOW);
      if (wait !== undefined) expect(wait).toBeGreaterThanOrEqual(0);
    });
  });
});

describe('NO_PROXY', () => {
  test('a listed name is reached directly, and so is everything below it', () => {
    check(fc.tuple(name, label), ([host, sub]) => {
      const isDirect = parseNoProxy(host);
      expect(isDirect(new URL(`https://${host}/`))).toBe(true);
      expect(isDirect(new URL(`https://${sub}.${host}/`))).toBe(true);
      expect(isDirect(new URL(`https://${sub}${host}/`))).toBe(false);
    });
  });

  test('an entry never matches a host that does not end with its name', () => {
    check(fc.tuple(name, name), ([listed, asked]) => {
      const ends = asked === listed || asked.endsWith(`.${listed}`);
      expect(parseNoProxy(listed)(new URL(`https://${asked}/`))).toBe(ends);
    });
  });

  test('an IPv4 range contains exactly the addresses with its leading bits', () => {
    check(fc.tuple(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.nat(32)), ([base, asked, bits]) => {
      const isInside = bits === 0 || base >>> (32 - bits) === asked >>> (32 - bits);
      expect(parseNoProxy(`${dotted(base)}/${bits}`)(new URL(`https://${dotted(asked)}/`))).toBe(isInside);
    });
  });

  test('no setting makes it throw, and only an asterisk opens everything', () => {
    check(fc.oneof(mess, fc.string()), (setting) => {
      const isDirect = parseNoProxy(setting);
      const hasAsterisk = setting.split(/[\s,]+/).includes('*');
      expect(isDirect(new URL('https://never-listed.example/'))).toBe(hasAsterisk);
    });
  });
});

test('no entry of a host list makes it throw or matches a host it does not name', () => {
  check(fc.array(fc.oneof(mess, fc.string()), { maxLength: 5 }), (entries) => {
    const list = parseHostList(entries);
    expect(list.hasUrl(new URL('https://never-listed.example/'))).toBe(false);
  });
});
