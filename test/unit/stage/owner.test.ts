import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeOwner, judge, ownerText, parseOwner, type Owner } from '../../../installer/stage/owner.ts';

const self = describeOwner('pod-self', new Date(0));
const other = (change: Partial<Owner>): Owner => ({ ...self, run: '22222222-2222-4222-8222-222222222222', ...change });
/** Of another machine: nothing but the heartbeat can tell. */
const remote = (change: Partial<Owner>): Owner => other({ bootId: 'another boot', pod: 'pod-other', ...change });

test('describes this process so that it can be found alive', () => {
  expect(judge(other({}), self)).toBe('alive');
  expect(self).toMatchObject({ pod: 'pod-self', pid: process.pid, startedAt: '1970-01-01T00:00:00.000Z' });
});

test('a record survives being written and read', () => {
  expect(parseOwner(JSON.stringify(self))).toEqual(self);
});

test.each(['', '{', '[]', '{"run":"../../etc"}', JSON.stringify({ ...self, pid: -1 })])('%j is no record', (text) => {
  expect(parseOwner(text)).toBeUndefined();
});

test.each([
  ['a holder without a record', undefined, 'unknown'],
  ['a holder of another node', remote({}), 'unknown'],
  ['a holder of the same pod on another node’s record', remote({ pod: 'pod-self' }), 'dead'],
  ['a holder of the same pod in an earlier container', other({ pidNamespace: 'pid:[1]' }), 'dead'],
  ['a holder of another pod on this node', other({ pidNamespace: 'pid:[1]', pod: 'pod-other' }), 'unknown'],
  ['a holder of an unknown pod', remote({ pod: undefined }), 'unknown'],
  ['a process whose id was used again', other({ processStart: '1' }), 'dead'],
  ['a process that never was', other({ pid: 4_194_304 }), 'dead'],
] as const)('%s: judged as expected', (_, holder, verdict) => {
  expect(judge(holder, self)).toBe(verdict);
});

test('two holders of unknown pods are never taken for one pod', () => {
  const nowhere = { ...self, pod: undefined };
  expect(judge(remote({ pod: undefined }), nowhere)).toBe('unknown');
  expect(judge(remote({ pod: '' }), { ...self, pod: '' })).toBe('unknown');
});

test('a live holder is alive although it says it is of the same pod', () => {
  expect(judge(other({ pod: 'pod-self' }), self)).toBe('alive');
});

test('a zombie is dead', async () => {
  // The child ends at once and its parent, a shell that became `sleep`, never asks for it.
  const shell = spawn('sh', ['-c', 'sh -c "echo \\$\\$" & exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const pid = await new Promise<number>((resolve) =>
      shell.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk))),
    );
    await until(() => stat(pid)[0] === 'Z');
    expect(judge(other({ pid, processStart: stat(pid)[19] }), self)).toBe('dead');
  } finally {
    shell.kill('SIGKILL');
  }
});

test('a message names pod, host and process of a holder', () => {
  const text = ownerText(remote({ host: 'node-7', pid: 12 }));
  expect(text).toContain('pod-other');
  expect(text).toContain('node-7');
  expect(text).toContain('12');
  expect(ownerText(undefined)).not.toContain('undefined');
});

function stat(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
