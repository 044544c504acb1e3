import type { FolderNode } from './tree.ts';

/** A file's names in a FAT folder. */
export interface FatName {
  /** Eight and three characters, filled up with spaces. */
  readonly short: string;
  /** Absent where the short name says it all. */
  readonly long: string | undefined;
}

const LEGAL = /[^A-Z0-9!#$%&'()@^_`{}~-]/g;
const LONGEST = 255;

/** Gives every child a short name of its own, and a long one where the short one is not the same
 * (Microsoft, FAT32 File System Specification 1.03, "Long Directory Entries"). */
export function fatNames(children: readonly FolderNode[]): Map<FolderNode, FatName> {
  const taken = new Set<string>();
  return new Map(
    children.map((child) => {
      const name = fatName(child.name.replaceAll(/["*/:<>?\\|\p{Cc}]/gu, '_').slice(0, LONGEST), taken);
      taken.add(name.short);
      return [child, name];
    }),
  );
}

function fatName(name: string, taken: ReadonlySet<string>): FatName {
  const [, plainBase, plainExtension = ''] = /^([^. ]{1,8})(?:\.([^. ]{1,3}))?$/.exec(name) ?? [];
  const plain = plainBase && plainBase.padEnd(8) + plainExtension.padEnd(3);
  if (plain && !plain.trimEnd().replaceAll(' ', '').match(LEGAL) && !taken.has(plain))
    return { short: plain, long: undefined };
  return { short: shortName(name, taken), long: name };
}

function shortName(name: string, taken: ReadonlySet<string>): string {
  const legal = (text: string) => text.toUpperCase().replaceAll(/[ .]/g, '').replaceAll(LEGAL, '_');
  const dot = name.lastIndexOf('.');
  const base = legal(dot > 0 ? name.slice(0, dot) : name);
  const extension = (dot > 0 ? legal(name.slice(dot + 1)) : '').slice(0, 3).padEnd(3);
  for (let number = 1; ; number++) {
    const tail = `~${number}`;
    const candidate = `${(base || '_').slice(0, 8 - tail.length)}${tail}`.padEnd(8) + extension;
    if (!taken.has(candidate)) return candidate;
  }
}
