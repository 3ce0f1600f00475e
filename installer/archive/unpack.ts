/** Acts on the decisions of `policy.ts`: entries of one archive, or of all layers of an image, become files. Links come last, in `links.ts`. */
import { createHash, hash, type Hash } from 'node:crypto';
import { InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import type { AbsPath, ArchivePath, Layout } from '../core/types.ts';
import { baseName, EntryTree, parentPath, type DirectoryNode, type FileNode, type Node } from './entry-tree.ts';
import { applyWhiteout, replaceLower, whiteoutOf, type Whiteout } from './layers.ts';
import { quote } from './path-policy.ts';
import { judgeBytes, judgeDirectories, judgeEntry, type Decision, type TarEntry } from './policy.ts';
import type { TarSink } from './tar-reader.ts';
import { TreeWriter } from './writer.ts';

export interface UnpackPlan {
  readonly layout: Layout;
  /** Plugin directories that are taken; undefined: everything. */
  readonly wanted: readonly ArchivePath[] | undefined;
  /** Plugins the limits of one plugin count for. */
  readonly plugins: number;
  readonly into: AbsPath;
  readonly limits: Limits;
}

interface OpenFile {
  readonly node: FileNode;
  readonly path: string;
  /** Only while the content comes in pieces. */
  hash: Hash | undefined;
}

type Of<K extends Decision['kind']> = Extract<Decision, { readonly kind: K }>;

/**
 * Everything of an entry is decided before its first byte is written; the first refusal is thrown and ends the archive (reasons of the
 * unpack stage, and of the volume for a failed write). What was written until then lies below `plan.into`.
 */
export class Unpacker implements TarSink {
  readonly tree: EntryTree;
  readonly #plan: UnpackPlan;
  readonly writer: TreeWriter;
  readonly #whiteouts = new Set<string>();
  #layer = 0;
  #entries = 0;
  #directories = 0;
  #bytes = 0;
  #file: OpenFile | undefined;

  constructor(plan: UnpackPlan) {
    this.#plan = plan;
    this.writer = new TreeWriter(plan.into);
    const isWhole = plan.layout === 'image' && plan.wanted === undefined;
    const place = placement(plan);
    this.tree = new EntryTree(isWhole ? plan.into : undefined, (path, parent) => {
      this.#directories += 1;
      const refusal = judgeDirectories(this.#directories, plan.plugins, plan.limits);
      if (refusal !== undefined) throw refusal;
      return place(path, parent);
    });
  }

  /** Must be called before the entries of each archive but the first. */
  nextLayer(): void {
    this.#layer += 1;
    this.#whiteouts.clear();
  }

  /** Closes what an error left open. */
  dispose(): void {
    this.writer.closeFile();
  }

  onEntry(entry: TarEntry): void {
    const { limits, plugins, layout } = this.#plan;
    const decision = judgeEntry(entry, { entries: this.#entries, plugins }, limits);
    if (decision instanceof InstallError) throw decision;
    this.#entries += 1;
    if (decision.path === '') return; // the archive's own top, which is there already
    if (layout === 'package') this.#demandTopDirectory(decision);
    else {
      const whiteout = whiteoutOf(decision);
      if (whiteout !== undefined) {
        this.#hide(decision.path, whiteout);
        return;
      }
    }
    if (this.#layer > 0) replaceLower(this.tree, decision, this.#layer, this.#erase);
    this.#act(decision);
  }

  onContent(piece: Buffer): void {
    const file = this.#file;
    if (file === undefined) return;
    if (piece.length === file.node.size) {
      this.writer.writeFile(file.path, file.node.mode, piece);
      file.node.sha256 = hash('sha256', piece, 'hex');
      return;
    }
    if (file.hash === undefined) {
      this.writer.openFile(file.path, file.node.mode);
      file.hash = createHash('sha256');
    }
    this.writer.append(piece);
    file.hash.update(piece);
  }

  onEntryEnd(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    if (file.hash !== undefined) {
      this.writer.closeFile();
      file.node.sha256 = file.hash.digest('hex');
    } else if (file.node.size === 0) {
      this.writer.writeFile(file.path, file.node.mode, new Uint8Array());
      file.node.sha256 = hash('sha256', '', 'hex');
    }
  }

  #act(decision: Decision): void {
    switch (decision.kind) {
      case 'directory':
        this.#putOnDisk(this.tree.directory(decision.path, this.#layer));
        return;
      case 'file':
        this.#startFile(decision);
        return;
      case 'hardlink':
        this.#copy(decision);
        return;
      case 'symlink': {
        const parent = this.#parentOf(decision.path);
        this.tree.claim(parent, { kind: 'link', ...this.#leaf(decision.path), target: decision.target });
        // Links are created when all directories are there, and this one may hold nothing else.
        this.#putOnDisk(parent);
        return;
      }
      case 'dropped':
        this.tree.claim(this.#parentOf(decision.path), { kind: 'dropped', ...this.#leaf(decision.path) });
        return;
    }
  }

  #startFile({ path, mode, size }: Of<'file'>): void {
    const parent = this.#parentOf(path);
    const node: FileNode = { kind: 'file', ...this.#leaf(path), mode, size, isCopy: false, sha256: '' };
    this.tree.claim(parent, node);
    if (parent.diskPath === undefined) return;
    this.#charge(size);
    this.#putOnDisk(parent);
    this.#file = { node, path: `${parent.diskPath}/${node.name}`, hash: undefined };
  }

  /** A hard link is an old way to store one file twice: it gets its content, and it costs what a file costs. */
  #copy({ path, target }: Of<'hardlink'>): void {
    const original = this.tree.find(target);
    if (original?.kind !== 'file') throw linkEscape(path, target, 'is not an earlier file of the archive');
    const parent = this.#parentOf(path);
    this.tree.claim(parent, { ...original, ...this.#leaf(path), isCopy: true });
    if (parent.diskPath === undefined) return;
    const source = this.tree.find(parentPath(target));
    if (source?.kind !== 'directory' || source.diskPath === undefined)
      throw linkEscape(path, target, 'lies outside the plugin directory');
    this.#charge(original.size);
    this.#putOnDisk(parent);
    this.writer.copyFile(`${source.diskPath}/${original.name}`, `${parent.diskPath}/${baseName(path)}`);
  }

  #hide(path: string, whiteout: Whiteout): void {
    // Each whiteout may look at the whole directory it hides, so a repeated one is not free.
    if (this.#whiteouts.has(path))
      throw new InstallError('PathCollision', `archive entry ${quote(path)} occurs twice`, {
        details: { path: quote(path) },
      });
    this.#whiteouts.add(path);
    if (this.#layer > 0) applyWhiteout(this.tree, whiteout, this.#layer, this.#erase);
  }

  readonly #erase = (parent: DirectoryNode, node: Node): void => {
    if (parent.diskPath === undefined && node.kind !== 'directory') return;
    if (node.kind === 'file') this.writer.removeFile(`${parent.diskPath}/${node.name}`);
    else if (node.kind === 'directory') this.#eraseDirectory(node);
  };

  #eraseDirectory(directory: DirectoryNode): void {
    if (directory.diskPath === undefined) {
      // A wanted directory may lie deeper.
      for (const child of directory.children.values()) if (child.kind === 'directory') this.#eraseDirectory(child);
    } else if (directory.isOnDisk) this.writer.removeDirectory(directory.diskPath);
  }

  #parentOf(path: string): DirectoryNode {
    return this.tree.directory(parentPath(path), this.#layer);
  }

  #leaf(path: string): { readonly name: string; readonly layer: number } {
    return { name: baseName(path), layer: this.#layer };
  }

  #putOnDisk(directory: DirectoryNode): void {
    if (directory.isOnDisk || directory.diskPath === undefined) return;
    const parent = this.tree.find(parentPath(directory.path));
    if (parent?.kind === 'directory') this.#putOnDisk(parent);
    // The one top directory of a package is `into` itself.
    if (directory.diskPath !== this.#plan.into) this.writer.makeDirectory(directory.diskPath);
    directory.isOnDisk = true;
  }

  #charge(size: number): void {
    this.#bytes += size;
    const refusal = judgeBytes(this.#bytes, this.#plan.plugins, this.#plan.limits);
    if (refusal !== undefined) throw refusal;
  }

  #demandTopDirectory(decision: Decision): void {
    if (decision.kind === 'directory' || decision.path.includes('/')) return;
    throw new InstallError(
      'ArchiveLayoutInvalid',
      `${quote(decision.path)} lies at the top of the archive, beside its directory`,
      {
        details: { path: quote(decision.path), expected: 'one top-level directory that holds everything' },
      },
    );
  }
}

/** Where directories are written: below `into`, without the top directory of a package; of an image only what is wanted. */
function placement(plan: UnpackPlan): (path: string, parent: DirectoryNode) => string | undefined {
  const { into, wanted } = plan;
  const numbers = new Map(wanted?.map((path, index) => [path.normalize('NFC'), index]));
  let top: string | undefined;
  return (path, parent) => {
    if (parent.diskPath !== undefined) return `${parent.diskPath}/${baseName(path)}`;
    if (plan.layout === 'image') {
      const number = numbers.get(path.normalize('NFC'));
      return number === undefined ? undefined : `${into}/${number}`;
    }
    if (top !== undefined)
      throw new InstallError(
        'ArchiveLayoutInvalid',
        `the archive has more than one directory at its top: ${quote(top)} and ${quote(path)}`,
        {
          details: { directories: [top, path].map(quote), expected: 'one top-level directory that holds everything' },
        },
      );
    top = path;
    return into;
  };
}

function linkEscape(path: string, target: string, why: string): InstallError {
  return new InstallError('LinkEscape', `target ${quote(target)} of hard link ${quote(path)} ${why}`, {
    details: { path: quote(path), target: quote(target) },
  });
}
