/** Loads the YAML library, so it is itself loaded only when a file has to be written. */
import { Document, Scalar, visit } from 'yaml';

/**
 * Text that YAML 1.1 and YAML 1.2 readers understand alike. Keys are sorted, lines are never folded.
 * What either version could take for something other than a string is double-quoted: YAML 1.1 has `yes`, `0o7`, `1_000`, `12:30:45`, `=`.
 */
export function toYaml(value: Readonly<Record<string, unknown>>): string {
  const document = new Document(value, { aliasDuplicateObjects: false, sortMapEntries: true });
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string') node.type = isPlain(node.value) ? Scalar.PLAIN : Scalar.QUOTE_DOUBLE;
    },
  });
  const text = document.toString({ lineWidth: 0, doubleQuotedAsJSON: true, flowCollectionPadding: false });
  return text.replaceAll(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A word with a lower-case or capital letter first, and nothing that is an indicator, a number or a date anywhere. */
function isPlain(text: string): boolean {
  return /^[a-z][\w./-]*$/i.test(text) && !WORDS.test(text);
}

/** Words with a meaning in YAML 1.1 (https://yaml.org/type/bool.html, null, float) and 1.2. */
const WORDS = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;

/** Line breaks and non-printable characters of YAML 1.1 section 4.1; they only occur inside double quotes here. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;
