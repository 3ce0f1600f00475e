/**
 * What the archive has claimed so far, as a tree of folded names: no path can be claimed twice, nor as file and directory at once, nor in
 * two spellings that some file system takes for one. In memory only; `unpack.ts` does to the disk what is decided here.
 */
import { InstallError } from '../core/errors.ts';
import { foldName, quote } from './path-policy.ts';

export interface FileNode {
  readonly kind: 'file';
  readonly name: string;
  readonly layer: number;
  readonly mode: 0o644 | 0o755;
  readonly size: number;
  /** Made from a hard link. */
  readonly isCopy: boolean;
  /** Hex; empty while the content has not come, and for a file that is not written. */
  sha256: string;
}

export interface LinkNode {
  readonly kind: 'link';
  readonly name: string;
  readonly layer: number;
  readonly target: string;
}

/** Claimed, so that nothing else may be there, and absent from disk. */
export interface DroppedNode {
  readonly kind: 'dropped';
  readonly name: string;
  readonly layer: number;
}

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly name: string;
  /** The last layer that named it or put something into it. */
  layer: number;
  /** In the archive, without trailing slash; empty for the top. */
  readonly path: string;
  /** Where it is written; undefined: not at all. */
  readonly diskPath: string | undefined;
  isOnDisk: boolean;
  readonly children: Map<string, Node>;
}

export type Node = FileNode | LinkNode | DroppedNode | DirectoryNode;
type Leaf = FileNode | LinkNode | DroppedNode;

/** Decides where a directory that was just named is written; called once for each, parents first. */
export type PlaceDirectory = (path: string, parent: DirectoryNode) => string | undefined;

export class EntryTree {
  readonly top: DirectoryNode;
  readonly #place: PlaceDirectory;
  /** Exact path to node: most entries lie beside the one before. */
  readonly #directories = new Map<string, DirectoryNode>();

  constructor(topDiskPath: string | undefined, place: PlaceDirectory) {
    this.#place = place;
    this.top = {
      kind: 'directory',
      name: '',
      layer: 0,
      path: '',
      diskPath: topDiskPath,
      isOnDisk: true,
      children: new Map(),
    };
    this.#directories.set('', this.top);
  }

  /** The directory `path`, claimed for `layer` with all its parents. Throws PathCollision when something else has the name. */
  directory(path: string, layer: number): DirectoryNode {
    const known = this.#directories.get(path);
    if (known !== undefined) {
      known.layer = layer;
      return known;
    }
    const parent = this.directory(parentPath(path), layer);
    const name = baseName(path);
    const key = foldName(name);
    const holder = parent.children.get(key);
    if (holder !== undefined) throw collision(path, parent, holder);
    const diskPath = this.#place(path, parent);
    const node: DirectoryNode = {
      kind: 'directory',
      name,
      layer,
      path,
      diskPath,
      isOnDisk: false,
      children: new Map(),
    };
    parent.children.set(key, node);
    this.#directories.set(path, node);
    return node;
  }

  /** Puts a file or link below `parent`. Throws PathCollision when the name is taken. */
  claim(parent: DirectoryNode, leaf: Leaf): void {
    const key = foldName(leaf.name);
    const holder = parent.children.get(key);
    if (holder !== undefined) throw collision(joinPath(parent.path, leaf.name), parent, holder);
    parent.children.set(key, leaf);
  }

  /** What stands at exactly `path`, or undefined. */
  find(path: string): Node | undefined {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const parent = this.#directories.get(parentPath(path));
    const name = baseName(path);
    const node = parent?.children.get(foldName(name));
    return node?.name === name ? node : undefined;
  }

  /** Takes `child` out of its parent; a directory goes with all that is left below it. */
  remove(parent: DirectoryNode, child: Node): void {
    parent.children.delete(foldName(child.name));
    if (child.kind === 'directory') this.#forget(child);
  }

  #forget(directory: DirectoryNode): void {
    this.#directories.delete(directory.path);
    for (const child of directory.children.values()) if (child.kind === 'directory') this.#forget(child);
  }
}

/** Directory part of an archive path; empty for the top. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

function collision(path: string, parent: DirectoryNode, holder: Node): InstallError {
  const other = joinPath(parent.path, holder.name);
  const what = other === path ? `is there already as a ${holder.kind}` : `cannot be told apart from ${quote(other)}`;
  return new InstallError('PathCollision', `archive entry ${quote(path)} ${what}`, {
    details: { path: quote(path), other: quote(other), kind: holder.kind },
  });
}
