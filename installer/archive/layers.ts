/**
 * Layers of an image laid over one another (OCI image-spec v1.1, layer.md, "Applying Changesets"): a later layer replaces paths of earlier
 * ones and hides them with whiteouts. Within one layer every path is claimed once, as in any archive.
 */
import { InstallError } from '../core/errors.ts';
import { baseName, joinPath, parentPath, type DirectoryNode, type EntryTree, type Node } from './entry-tree.ts';
import { quote } from './path-policy.ts';
import type { Decision } from './policy.ts';

const PREFIX = '.wh.';
const OPAQUE = '.wh..wh..opq';
const HAS_PREFIX = /(?:^|\/)\.wh\./;

/** What a whiteout hides: one name of a directory of the layers below, or all its names. */
export type Whiteout =
  | { readonly kind: 'name'; readonly directory: string; readonly name: string }
  | { readonly kind: 'all'; readonly directory: string };

/** Takes a node of a lower layer from the disk; the tree has let go of it already. */
export type Erase = (parent: DirectoryNode, node: Node) => void;

/**
 * The whiteout an entry of an image layer stands for, or undefined when it is an ordinary one. Throws EntryTypeForbidden for anything but
 * a file, PathInvalid for a whiteout of no name and for the private records of aufs (`.wh..wh.plnk`), which no registry should serve.
 */
export function whiteoutOf(decision: Decision): Whiteout | undefined {
  const { path } = decision;
  if (!HAS_PREFIX.test(path)) return undefined;
  const directory = parentPath(path);
  const base = baseName(path);
  const details = { path: quote(path) };
  if (HAS_PREFIX.test(directory))
    throw new InstallError('PathInvalid', `archive entry ${quote(path)} lies below a whiteout`, { details });
  if (decision.kind !== 'file')
    throw new InstallError('EntryTypeForbidden', `the whiteout ${quote(path)} is not a file`, { details });
  if (base === OPAQUE) return { kind: 'all', directory };
  const name = base.slice(PREFIX.length);
  if (name === '' || name === '.' || name === '..' || name.startsWith(PREFIX))
    throw new InstallError('PathInvalid', `the whiteout ${quote(path)} names nothing that can be hidden`, { details });
  return { kind: 'name', directory, name };
}

/** Hides what layers before `layer` put there; what `layer` itself brought stays, whatever the order of its entries. */
export function applyWhiteout(tree: EntryTree, whiteout: Whiteout, layer: number, erase: Erase): void {
  const directory = tree.find(whiteout.directory);
  if (directory?.kind !== 'directory') return; // nothing below it to hide
  if (whiteout.kind === 'all') {
    hideLower({ tree, layer, erase }, directory);
    return;
  }
  const node = tree.find(joinPath(whiteout.directory, whiteout.name));
  if (node !== undefined) hide({ tree, layer, erase }, directory, node);
}

/** Makes room at `path` for an entry of `layer`: what an earlier layer put there goes. A directory over a directory merges. */
export function replaceLower(tree: EntryTree, incoming: Decision, layer: number, erase: Erase): void {
  const node = tree.find(incoming.path);
  if (node === undefined || node.layer >= layer) return; // a second claim within the layer is a collision, found by the tree
  if (node.kind === 'directory' && incoming.kind === 'directory') return;
  const parent = tree.find(parentPath(incoming.path));
  if (parent?.kind !== 'directory') throw new InstallError('Internal', 'an archive entry has no directory above it');
  remove({ tree, layer, erase }, parent, node);
}

interface Scope {
  readonly tree: EntryTree;
  readonly layer: number;
  readonly erase: Erase;
}

function hide(scope: Scope, parent: DirectoryNode, node: Node): void {
  if (node.layer < scope.layer) remove(scope, parent, node);
  else if (node.kind === 'directory') hideLower(scope, node);
}

function hideLower(scope: Scope, directory: DirectoryNode): void {
  for (const child of directory.children.values()) hide(scope, directory, child);
}

function remove(scope: Scope, parent: DirectoryNode, node: Node): void {
  scope.tree.remove(parent, node);
  scope.erase(parent, node);
}
