/** A merged app-config fragment with its contributors; conflicts were refused before any network access. */
export interface AppConfig {
  /** The merge of the fragments of the entries with these indexes. Entry order decides nothing: conflicting values do not get here. */
  mergeOf(indexes: readonly number[]): Readonly<Record<string, unknown>>;
}
