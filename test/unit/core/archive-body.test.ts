import { describe, expect, test } from 'vitest';
import { archiveBody, RANGE_REFUSED, rangeHeaders } from '../../../installer/core/archive-body.ts';
import { failureOf } from '../../support/http.ts';
import { fakeResponse } from '../../support/http-response.ts';

const START = { offset: 0, validator: undefined };
const AT_5 = { offset: 5, validator: '"v1"' };

describe('the request for an archive', () => {
  test('asks for everything at the start', () => {
    expect(rangeHeaders(START)).toEqual({});
  });
  test('asks for the rest of the same version', () => {
    expect(rangeHeaders(AT_5)).toEqual({ range: 'bytes=5-', 'if-range': '"v1"' });
  });
  test('asks for the rest without a condition when content is named by its digest', () => {
    expect(rangeHeaders({ offset: 5, validator: undefined })).toEqual({ range: 'bytes=5-' });
  });
});

describe('a 200', () => {
  test('starts over with the announced size and the strong validator', async () => {
    const headers = { 'content-length': '10', etag: '"v2"' };
    const body = await archiveBody(fakeResponse({ headers, url: 'https://r.example/a.tgz?token=secret' }), AT_5);
    expect(body).toMatchObject({ offset: 0, total: 10, validator: '"v2"', from: 'https://r.example/a.tgz?…' });
  });

  test.each([[{ etag: 'W/"v1"' }], [{ etag: 'v1' }], [{ etag: '"v1"', 'accept-ranges': 'none' }], [{}]])(
    'has no validator with %j',
    async (headers) => {
      expect((await archiveBody(fakeResponse({ headers }), START)).validator).toBeUndefined();
    },
  );

  test('has no size when the length is not announced', async () => {
    expect((await archiveBody(fakeResponse(), START)).total).toBeUndefined();
  });

  test.each(['gzip', 'br', 'identity, gzip'])('is refused with content-encoding %s', async (encoding) => {
    const response = fakeResponse({ headers: { 'content-encoding': encoding } });
    const error = await failureOf(archiveBody(response, START));
    expect(error.reason).toBe('UnexpectedContent');
    expect(error.transient).toBeUndefined();
    expect(response.isDiscarded()).toBe(true);
  });

  test('is accepted with content-encoding identity', async () => {
    expect((await archiveBody(fakeResponse({ headers: { 'content-encoding': 'Identity' } }), START)).offset).toBe(0);
  });
});

describe('a 206', () => {
  test.each([
    ['bytes 5-9/10', 10],
    ['bytes 5-9/*', undefined],
  ])('with the exact rest %s is appended', async (range, total) => {
    const headers = { 'content-range': range, etag: '"v1"' };
    expect(await archiveBody(fakeResponse({ status: 206, headers }), AT_5)).toMatchObject({
      offset: 5,
      total,
      validator: '"v1"',
    });
  });

  test('keeps the known validator when it states none', async () => {
    const headers = { 'content-range': 'bytes 5-9/10' };
    expect((await archiveBody(fakeResponse({ status: 206, headers }), AT_5)).validator).toBe('"v1"');
  });

  test.each([
    ['bytes 4-9/10'],
    ['bytes 6-9/10'],
    ['bytes 0-9/10'],
    ['bytes 5-8/10'],
    ['bytes */10'],
    ['garbage'],
    [''],
  ])('with another range %j starts over', async (range) => {
    const response = fakeResponse({ status: 206, headers: { 'content-range': range } });
    const error = await failureOf(archiveBody(response, AT_5));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: RANGE_REFUSED } });
    expect(response.isDiscarded()).toBe(true);
  });

  test('with another ETag starts over, or two versions would be spliced', async () => {
    const headers = { 'content-range': 'bytes 5-9/10', etag: '"v2"' };
    const error = await failureOf(archiveBody(fakeResponse({ status: 206, headers }), AT_5));
    expect(error.transient?.code).toBe(RANGE_REFUSED);
  });
});

test('a 416 to a range starts over', async () => {
  const error = await failureOf(archiveBody(fakeResponse({ status: 416 }), AT_5));
  expect(error.transient?.code).toBe(RANGE_REFUSED);
});

test.each([204, 302, 404, 416])(
  'status %d instead of an archive is UnexpectedContent and not transient',
  async (status) => {
    const response = fakeResponse({ status });
    const error = await failureOf(archiveBody(response, START));
    expect(error).toMatchObject({ reason: 'UnexpectedContent', transient: undefined, details: { status } });
    expect(response.isDiscarded()).toBe(true);
  },
);
