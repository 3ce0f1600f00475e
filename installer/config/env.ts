/** The only reader of `process.env`; everything else gets the snapshot. */

/** Variables of this process, frozen, without prototype, so that no look-up reaches `Object.prototype`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Snapshot of the environment at the time of the call. */
export function readEnvironment(): Environment {
  return environmentOf(process.env);
}

/** The same shape from any record; tests build theirs with it. */
export function environmentOf(variables: Readonly<Record<string, string | undefined>>): Environment {
  const snapshot: Record<string, string | undefined> = Object.assign(Object.create(null), variables);
  return Object.freeze(snapshot);
}
