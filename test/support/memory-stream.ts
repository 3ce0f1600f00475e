/** A stream that keeps what is written, as a reporter sees stdout. */
import type { TextStream } from '../../installer/report/reporter.ts';

export interface MemoryStream extends TextStream {
  /** Everything written so far. */
  text(): string;
  /** Complete lines so far. */
  lines(): readonly string[];
}

export function memoryStream(terminal?: { readonly columns: number; readonly rows?: number }): MemoryStream {
  const chunks: string[] = [];
  const text = (): string => chunks.join('');
  return {
    write(chunk, written) {
      chunks.push(chunk);
      written?.();
    },
    ...(terminal === undefined ? {} : { isTTY: true, columns: terminal.columns, rows: terminal.rows ?? 24 }),
    text,
    lines: () => text().split('\n').slice(0, -1),
  };
}

/** What a terminal of `columns` shows after all of `text`, for the control sequences that reporters use. */
export function screenAfter(text: string, columns: number): readonly string[] {
  let lines: string[] = [''];
  for (const part of text.split(/(\u001b\[\d*[A-Za-z]|\n)/)) {
    const control = /^\u001b\[(\d*)([A-Za-z])$/.exec(part);
    if (part === '\n') lines.push('');
    else if (control === null) lines[lines.length - 1] += part;
    else if (control[2] === 'A') lines = moveUp(lines, Number(control[1]));
    else if (control[2] !== 'J' && control[2] !== 'm')
      throw new Error(`unexpected control sequence ${JSON.stringify(part)}`);
  }
  const wide = lines.find((line) => line.length > columns);
  if (wide !== undefined) throw new Error(`a line is wider than the terminal and would wrap: ${JSON.stringify(wide)}`);
  return lines;
}

/** Reporters clear to the end of the screen right after they move up. */
function moveUp(lines: readonly string[], count: number): string[] {
  return [...lines.slice(0, lines.length - 1 - count), ''];
}
