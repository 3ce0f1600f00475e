/** For tests of refused file access, which root never meets. */
const NOBODY = 65_532;

/** Runs `work` as a user without rights, where this process is root; as it is, elsewhere. Files that it may need must be open to others. */
export async function asUnprivileged<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0 || process.seteuid === undefined) return work();
  process.seteuid(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid(0);
  }
}
