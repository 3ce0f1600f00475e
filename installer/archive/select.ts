/** From everything an archive held to the plugin directories that were asked for. */
import { InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { fileLine, linkLine, treeDigest } from '../core/tree-digest.ts';
import type { AbsPath, ArchivePath, Layout, Notice } from '../core/types.ts';
import type { DirectoryNode, EntryTree } from './entry-tree.ts';
import { demandHonestLink } from './links.ts';
import { foldName, quote } from './path-policy.ts';

/** A plugin directory, complete but for its links. */
export interface Selected {
  readonly directory: DirectoryNode;
  readonly root: AbsPath;
}

/** What a tree holds, links judged; `links` are to be created at absolute paths. */
export interface Surveyed {
  readonly files: number;
  readonly bytes: number;
  readonly notices: readonly Notice[];
  readonly treeDigest: string;
  readonly links: readonly { readonly path: string; readonly target: string }[];
}

/**
 * Finds the directory for one wanted path. Throws PluginPathMissing; without a path ArchiveLayoutInvalid when the archive holds no plugin
 * and PluginPathRequired, with the list, when it holds several.
 */
export function selectTree(tree: EntryTree, layout: Layout, wanted: ArchivePath | undefined): Selected {
  const base = layout === 'package' ? onlyTop(tree) : tree.top;
  const directory = wanted === undefined ? pluginOf(base, layout) : descend(base, wanted);
  if (directory.diskPath === undefined) throw new InstallError('Internal', 'a wanted plugin directory was not written');
  return { directory, root: directory.diskPath as AbsPath }; // placed below `into`, which is absolute
}

function onlyTop(tree: EntryTree): DirectoryNode {
  // More than one was refused when its name came.
  for (const child of tree.top.children.values()) if (child.kind === 'directory') return child;
  throw new InstallError('ArchiveLayoutInvalid', 'the archive is empty');
}

function pluginOf(base: DirectoryNode, layout: Layout): DirectoryNode {
  if (layout === 'package' || isFile(base, 'package.json')) return base;
  const plugins = pluginNames(base);
  const only = plugins.length === 1 ? base.children.get(foldName(plugins[0] ?? '')) : undefined;
  if (only?.kind === 'directory') return only;
  if (plugins.length === 0)
    throw new InstallError('ArchiveLayoutInvalid', 'no directory at the top of the image has a package.json', {
      details: {
        directories: directoryNames(base),
        fix: 'append !PATH with the plugin directory, or build the image again',
      },
    });
  throw new InstallError(
    'PluginPathRequired',
    `the image holds ${plugins.length} plugins and the reference names none`,
    {
      details: { paths: plugins, fix: `append one of ${plugins.map((name) => `!${name}`).join(', ')}` },
    },
  );
}

function descend(base: DirectoryNode, wanted: ArchivePath): DirectoryNode {
  let current: DirectoryNode = base;
  for (const segment of wanted.split('/')) {
    const child = current.children.get(foldName(segment));
    if (child?.kind !== 'directory' || child.name.normalize('NFC') !== segment.normalize('NFC'))
      throw missing(base, wanted);
    current = child;
  }
  return current;
}

function missing(base: DirectoryNode, wanted: ArchivePath): InstallError {
  const plugins = pluginNames(base);
  const paths = plugins.length > 0 ? plugins : directoryNames(base);
  const fix = paths.length > 0 ? `write one of ${paths.map((name) => `!${name}`).join(', ')}` : undefined;
  return new InstallError('PluginPathMissing', `the image has no directory ${quote(wanted)}`, {
    details: { path: quote(wanted), paths, ...(fix === undefined ? {} : { fix }) },
  });
}

/** Enough to recognise a typing error by; an image may hold thousands of directories. */
const LISTED = 50;

function pluginNames(base: DirectoryNode): readonly string[] {
  const names = [...base.children.values()].filter((node) => node.kind === 'directory' && isFile(node, 'package.json'));
  return names
    .map((node) => node.name)
    .toSorted()
    .slice(0, LISTED);
}

function directoryNames(base: DirectoryNode): readonly string[] {
  const names = [...base.children.values()].filter((node) => node.kind === 'directory').map((node) => node.name);
  return names.toSorted().slice(0, LISTED);
}

function isFile(directory: DirectoryNode, name: string): boolean {
  const node = directory.children.get(foldName(name));
  return node?.kind === 'file' && node.name === name;
}

/** Names that authors do not mean to publish. */
const SENSITIVE =
  /^(?:\.npmrc|\.yarnrc(?:\.yml)?|\.netrc|\.git|\.git-credentials|\.env(?:\..*)?|\.docker|\.ssh|\.aws|\.kube|id_(?:rsa|ed25519))$/;

/**
 * Counts and hashes a tree and judges its links: throws LinkEscape, and SizeBudgetExceeded or TooManyEntries when this plugin alone is
 * over a limit that several plugins of one image shared.
 */
export function surveyTree({ directory, root }: Selected, limits: Limits): Surveyed {
  const lines: string[] = [];
  const links: { path: string; target: string }[] = [];
  const count = { files: 0, bytes: 0, dropped: 0, copies: 0 };
  const visit = (above: readonly DirectoryNode[], prefix: string): void => {
    for (const node of above.at(-1)?.children.values() ?? []) {
      const path = `${prefix}${node.name}`;
      if (node.kind === 'directory') visit([...above, node], `${path}/`);
      else if (node.kind === 'file') {
        lines.push(fileLine({ path, mode: node.mode, size: node.size, sha256: node.sha256 }));
        count.files += 1;
        count.bytes += node.size;
        if (node.isCopy) count.copies += 1;
      } else if (node.kind === 'link') {
        demandHonestLink(node, above);
        lines.push(linkLine(node.target, path));
        links.push({ path: `${root}/${path}`, target: node.target });
      } else count.dropped += 1;
    }
  };
  visit([directory], '');
  demandLimits(count, limits);
  const notices = noticesOf(directory, count);
  return { files: count.files, bytes: count.bytes, notices, treeDigest: treeDigest(lines), links };
}

function demandLimits(count: { readonly files: number; readonly bytes: number }, limits: Limits): void {
  if (count.bytes > limits.unpackedBytes) {
    const setting = 'PORTAL_PLUGINS_MAX_UNPACKED_BYTES';
    throw new InstallError(
      'SizeBudgetExceeded',
      `the plugin has ${count.bytes} bytes, the limit is ${limits.unpackedBytes} (${setting})`,
      {
        details: {
          value: count.bytes,
          limit: limits.unpackedBytes,
          setting,
          fix: `raise ${setting} if the plugin is honest`,
        },
      },
    );
  }
  if (count.files > limits.files) {
    const setting = 'PORTAL_PLUGINS_MAX_FILES';
    throw new InstallError(
      'TooManyEntries',
      `the plugin has ${count.files} files, the limit is ${limits.files} (${setting})`,
      {
        details: { value: count.files, limit: limits.files, setting },
      },
    );
  }
}

function noticesOf(
  directory: DirectoryNode,
  count: { readonly dropped: number; readonly copies: number },
): readonly Notice[] {
  const notices: Notice[] = [];
  for (const { name } of directory.children.values())
    if (SENSITIVE.test(name))
      notices.push({ reason: 'SensitiveFile', text: `the plugin holds ${name}, which usually stays private` });
  if (count.dropped > 0) notices.push({ text: `${counted(count.dropped, 'link')} below node_modules/.bin left out` });
  if (count.copies > 0) notices.push({ text: `${counted(count.copies, 'hard link')} stored as copies` });
  return notices;
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
