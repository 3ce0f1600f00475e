import type { z } from 'zod';
import type { Check } from '../core/types.ts';

/** A kind of demand that a list can make on an archive: a key of an entry, what may stand there, and the check it becomes. */
export interface Verifier {
  /** Key of an entry in the wire file (docs/contracts.md, "The wire file"). */
  readonly key: string;
  /** Shape of the value; becomes part of the wire schema and of the chart's. `.meta({ pattern })` narrows the chart's only. */
  readonly schema: z.ZodType;
  /** Throws a reason of exit code 78 (`IntegrityMalformed`) for a value that has the shape but makes no sense. */
  check(value: unknown): Check;
}
