/**
 * Replaces what stands between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`; adds the region at the end of a text that has
 * none. Everything outside is kept as it is.
 */
export function replaceRegion(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- generated:${name} -->`, `<!-- /generated:${name} -->`];
  const region = `${start}\n\n${content.trim()}\n\n${end}`;
  const from = text.indexOf(start);
  const to = text.indexOf(end, from);
  if (from !== -1 && to !== -1) return `${text.slice(0, from)}${region}${text.slice(to + end.length)}`;
  if (from !== -1) throw new Error(`${start} has no ${end}`);
  return `${text.replace(/\n*$/, text === '' ? '' : '\n\n')}${region}\n`;
}
