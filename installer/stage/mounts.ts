/** What the mount table tells: on which kind of storage a directory lies, and in which pod this process runs. Pure. */

/** One line of /proc/self/mountinfo. proc_pid_mountinfo(5). */
export interface Mount {
  /** Directory of the file system that is mounted (field 4): a bind mount shows its origin here. */
  readonly source: string;
  /** Where it is mounted, as this process sees it (field 5). */
  readonly at: string;
  readonly type: string;
}

export function parseMountInfo(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const source = fields[3];
    const at = fields[4];
    // Optional fields end with a lone dash; the type follows it.
    const type = fields[fields.indexOf('-', 6) + 1];
    if (source === undefined || at === undefined || type === undefined || !fields.includes('-')) continue;
    mounts.push({ source: unescapeOctal(source), at: unescapeOctal(at), type });
  }
  return mounts;
}

/** The mount that holds `path` (absolute, resolved): the longest mount point above it, the last one of several at one place. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const isAbove = mount.at === '/' || path === mount.at || path.startsWith(`${mount.at}/`);
    if (isAbove && (best === undefined || mount.at.length >= best.at.length)) best = mount;
  }
  return best;
}

/** Names directly below `root` that are, or lead to, mount points of their own: rename(2) cannot move them. */
export function mountedBelow(mounts: readonly Mount[], root: string): ReadonlySet<string> {
  const prefix = root === '/' ? '/' : `${root}/`;
  const below = mounts.filter(({ at }) => at.startsWith(prefix) && at.length > prefix.length);
  return new Set(below.map(({ at }) => at.slice(prefix.length).split('/', 1)[0] ?? ''));
}

/** Memory, and a container's own writable layer: gone with the container. */
const SCRATCH_TYPES: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'overlay', 'fuse-overlayfs']);

/**
 * Whether what lies here outlives its pod and so deserves fsync. Scratch is memory, a container's writable layer, and an emptyDir on
 * the node's disk, which kubelet binds from `…/pods/<uid>/volumes/kubernetes.io~empty-dir/<name>` (also below a subPath). Everything
 * else, and whatever cannot be told, counts as persistent.
 */
export function isPersistent(mount: Mount | undefined): boolean {
  if (mount === undefined) return true;
  return !SCRATCH_TYPES.has(mount.type) && !mount.source.includes('/volumes/kubernetes.io~empty-dir/');
}

// kubelet binds every container's /etc/hosts (and termination log) from the pod's own directory.
const POD_DIRECTORY =
  /\/pods\/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})\/(?:etc-hosts$|containers\/)/;

/** UID of the pod of this container, or undefined outside Kubernetes. Static pods have a UID without dashes. */
export function podUidOf(mounts: readonly Mount[]): string | undefined {
  for (const { source } of mounts) {
    const uid = POD_DIRECTORY.exec(source)?.[1];
    if (uid !== undefined) return uid;
  }
  return undefined;
}

/** Space, tab, newline and backslash are written as octal in the table. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
