/** A file, folder, symbolic link or device of an archive. Folders come before what is in them. */
export interface CpioEntry {
  /** The path from the archive's root, without a slash at its beginning. */
  readonly path: string;
  /** File type and permissions, as `st_mode` of POSIX. */
  readonly mode: number;
  /** The content of a file, the target of a symbolic link. */
  readonly data?: Uint8Array;
  /** The device a device file stands for. */
  readonly device?: { readonly major: number; readonly minor: number };
}

/** File types in {@link CpioEntry.mode} (POSIX `sys/stat.h`, values as in Linux). */
export const FILE_TYPE = {
  characterDevice: 0o020000,
  folder: 0o040000,
  file: 0o100000,
  symbolicLink: 0o120000,
} as const;

const MAGIC = '070701';
const ALIGNMENT = 4;
const END = 'TRAILER!!!';

/** Packs entries into a cpio archive in the "new ASCII" format, which Linux takes as an initial file system
 * (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). All belongs to root and has no date, so equal
 * entries give equal bytes. */
export function packCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, index) => packEntry(entry, index + 1));
  return concatenate([...parts, ...packEntry({ path: END, mode: 0 }, 0)]);
}

/** The header with the name, and the content, each filled up with zeros to a multiple of four bytes. */
function packEntry({ path, mode, data = new Uint8Array(), device }: CpioEntry, inode: number): Uint8Array[] {
  const name = new TextEncoder().encode(`${path}\0`);
  const links = (mode & FILE_TYPE.folder) !== 0 ? 2 : 1;
  const fields = [
    [inode, mode, 0, 0, links, 0, data.length],
    [0, 0, device?.major ?? 0, device?.minor ?? 0, name.length, 0],
  ].flat();
  const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return [pad(concatenate([new TextEncoder().encode(header), name])), pad(data)];
}

function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT);
  padded.set(bytes);
  return padded;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
