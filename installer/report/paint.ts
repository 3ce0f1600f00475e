/** Colours as functions; identity when colour is off, so that no caller asks. */
export interface Paint {
  readonly plain: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
}

const SGR = { good: 32, warn: 33, bad: 31, dim: 2 } as const;

/** ECMA-48 select graphic rendition; only the eight basic colours, which every terminal theme keeps readable. */
export function createPaint(isColored: boolean): Paint {
  const paint =
    (code: number) =>
    (text: string): string =>
      isColored && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text;
  return {
    plain: (text) => text,
    good: paint(SGR.good),
    warn: paint(SGR.warn),
    bad: paint(SGR.bad),
    dim: paint(SGR.dim),
  };
}

/** Terminal columns that `text` takes (no control characters): East Asian wide characters and emoji take two. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += widthOfCharacter(character);
  return width;
}

/** At most `columns` wide, the cut marked with `…`. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns < 1) return '';
  let result = '';
  let left = columns - 1;
  for (const character of text) {
    left -= widthOfCharacter(character);
    if (left < 0) break;
    result += character;
  }
  return `${result}…`;
}

const MARK = /^\p{Mark}$/u;
// Unicode 17 East Asian Width W and F, by block: exact enough for a table, and never too narrow for package names.
const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1b000}-\u{1b2ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

function widthOfCharacter(character: string): number {
  if (MARK.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
