/** One parsed line of the program's logfmt output. */
export type LogFields = Readonly<Record<string, string>>;

/** Every line of `text` as fields; throws on a line that is not logfmt, since nothing else may be on stdout. */
export function parseLogfmt(text: string): readonly LogFields[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

/** The lines of one event, in order. */
export function eventsNamed(text: string, event: string): readonly LogFields[] {
  return parseLogfmt(text).filter((line) => line['event'] === event);
}

function parseLine(line: string): LogFields {
  const pair = /([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?: |$)/y;
  const fields: Record<string, string> = {};
  while (pair.lastIndex < line.length) {
    const at = pair.lastIndex;
    const match = pair.exec(line);
    if (match === null) throw new Error(`not logfmt from column ${at + 1}: ${line}`);
    const [, name = '', quoted, bare = ''] = match;
    fields[name] = quoted === undefined ? bare : quoted.replaceAll(/\\(.)/g, '$1');
  }
  return fields;
}
