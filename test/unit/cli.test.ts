import { expect, test } from 'vitest';
import { runCommandLine } from '../../installer/cli.ts';
import { realClock } from '../support/clock.ts';

/** What the program prints for arguments that need neither list nor volume. */
async function printed(...args: readonly string[]): Promise<string> {
  let text = '';
  const output = { write: (piece: string) => (text += piece) };
  const { signal } = new AbortController();
  const io = { stdout: output, stderr: output, cwd: '/' };
  const machine = { ...io, clock: realClock(), signal, version: '1.2.3', onCommitted: () => undefined };
  expect(await runCommandLine(args, {}, machine)).toBe(0);
  return text;
}

test('help COMMAND says what COMMAND --help says', async () => {
  expect(await printed('help', 'verify')).toBe(await printed('verify', '--help'));
  expect(await printed('help', 'verify')).toMatch(/^Usage: portal-plugins verify/);
});

test.each([[['help']], [['--help']], [['help', 'nonsense']]])('%j lists all commands', async (args) => {
  expect(await printed(...args)).toMatch(/ {2}install \[ROOT\].*\n {2}verify .*\n {2}explain \[REASON\]/);
});
