/**
 * Symbolic links of a finished tree. They are judged when everything they could lead to is known and created when everything else is
 * written, so that no write ever passes one.
 */
import { InstallError } from '../core/errors.ts';
import { foldName, quote } from './path-policy.ts';
import type { DirectoryNode, LinkNode, Node } from './entry-tree.ts';

/**
 * Throws LinkEscape unless the link leads to a file or directory of the plugin, never leaving it on the way and passing no other link.
 * `above` are the directories from the plugin directory down to the one that holds the link.
 */
export function demandHonestLink(link: LinkNode, above: readonly DirectoryNode[]): void {
  const stack: Node[] = [...above];
  for (const segment of link.target.split('/')) {
    const current = stack.at(-1);
    if (current?.kind !== 'directory') throw linkEscape(link, above, 'passes through something that is no directory');
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      stack.pop();
      if (stack.length === 0) throw linkEscape(link, above, 'leaves the plugin directory');
      continue;
    }
    const child = current.children.get(foldName(segment));
    if (child === undefined || child.name !== segment || child.kind === 'dropped')
      throw linkEscape(link, above, 'does not exist');
    // What a chain of links resolves to depends on every one of them.
    if (child.kind === 'link') throw linkEscape(link, above, 'leads through another link');
    stack.push(child);
  }
}

function linkEscape(link: LinkNode, above: readonly DirectoryNode[], why: string): InstallError {
  const path = [...above.slice(1).map((directory) => directory.name), link.name].join('/');
  return new InstallError('LinkEscape', `target ${quote(link.target)} of link ${quote(path)} ${why}`, {
    details: { path: quote(path), target: quote(link.target) },
  });
}
