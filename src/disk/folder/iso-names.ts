import type { FolderNode } from './tree.ts';

const LONGEST_JOLIET = 64;

/** Gives every child a name of its own that the file system can have.
 * @param candidate a name for the n-th try; 0 is the best */
function assign(
  children: readonly FolderNode[],
  candidate: (node: FolderNode, attempt: number) => string,
): Map<FolderNode, string> {
  const taken = new Set<string>();
  return new Map(
    children.map((child) => {
      let attempt = 0;
      while (taken.has(candidate(child, attempt))) attempt++;
      const name = candidate(child, attempt);
      taken.add(name);
      return [child, name];
    }),
  );
}

/** Names of level 1 of ISO 9660 (7.5.1): eight and three of A to Z, 0 to 9 and _. */
export function isoNames(children: readonly FolderNode[]): Map<FolderNode, string> {
  return assign(children, ({ name, kind }, attempt) => {
    const { base, extension } = split(name, kind);
    const suffix = attempt === 0 ? '' : `${attempt}`;
    const short = `${base.slice(0, 8 - suffix.length) || '_'}${suffix}`.slice(-8);
    return kind === 'folder' ? short : `${short}.${extension.slice(0, 3)};1`;
  });
}

function split(name: string, kind: FolderNode['kind']): { base: string; extension: string } {
  const legal = (text: string) => text.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_');
  const dot = kind === 'folder' ? -1 : name.lastIndexOf('.');
  if (dot <= 0) return { base: legal(name), extension: '' };
  return { base: legal(name.slice(0, dot)), extension: legal(name.slice(dot + 1)) };
}

/** Names of Joliet: up to 64 UCS-2 characters but a few. */
export function jolietNames(children: readonly FolderNode[]): Map<FolderNode, string> {
  return assign(children, ({ name }, attempt) => {
    const legal = name.replaceAll(/[*/:;?\\\p{Cc}]/gu, '_');
    const suffix = attempt === 0 ? '' : `~${attempt}`;
    if (legal.length + suffix.length <= LONGEST_JOLIET && attempt === 0) return legal;
    const dot = legal.lastIndexOf('.');
    const extension = dot > 0 && legal.length - dot <= 8 ? legal.slice(dot) : '';
    const base = legal.slice(0, legal.length - extension.length);
    return `${base.slice(0, LONGEST_JOLIET - suffix.length - extension.length)}${suffix}${extension}`;
  });
}
