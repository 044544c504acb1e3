/**
 * A folder of the host that guests reach: what a file server asks of it. Names and link targets are strings of bytes: each
 * character is one byte, 0x01 to 0xFF. A path is the names from the shared folder on; no name is empty, `.`, `..` or has a slash.
 * No method follows a symbolic link, and none reaches anything outside of the folder.
 */
export type SharedPath = readonly string[];

/** What a file is. */
export interface FileFacts {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Type and permissions, as `st_mode` of Linux. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly sizeBytes: number;
  /** Units of 512 bytes that it takes. */
  readonly blocks: number;
  /** What tells it from all other files of the folder, 64 bits. */
  readonly identity: bigint;
  readonly accessedNanos: bigint;
  readonly modifiedNanos: bigint;
  readonly changedNanos: bigint;
}

/** What a file is opened for. */
export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly truncate: boolean;
  readonly append: boolean;
}

/** Changes to a file; what is absent stays. */
export interface FileChanges {
  readonly mode?: number;
  readonly sizeBytes?: number;
  /** Nanoseconds since 1970, or the host's own time. */
  readonly accessedNanos?: bigint | 'now';
  readonly modifiedNanos?: bigint | 'now';
}

/** An open file. */
export interface SharedFile {
  /** @returns how many bytes there were */
  read(offset: number, target: Uint8Array): number;
  /** @returns how many bytes were taken */
  write(offset: number, source: Uint8Array): number;
  facts(): FileFacts;
  /** Changes the file, whatever its name is now, if it has one. The length of one that is open for writing only. */
  change(changes: FileChanges): void;
  /** Everything written is on stable storage when it returns. */
  sync(): void;
  close(): void;
}

/** How full the file system is, in blocks. */
export interface FolderSpace {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
}

/** The folder. Where the host refuses, every method throws an error whose `code` is POSIX's name of the reason: `ENOENT`. */
export interface SharedFolder {
  facts(path: SharedPath): FileFacts;
  /** The names in a folder, without `.` and `..`. */
  list(path: SharedPath): string[];
  readLink(path: SharedPath): string;
  /** Opens a file that is there. */
  open(path: SharedPath, mode: OpenMode): SharedFile;
  /** Makes a file; it must not be there. */
  create(path: SharedPath, mode: OpenMode, permissions: number): SharedFile;
  makeFolder(path: SharedPath, permissions: number): void;
  makeSymbolicLink(path: SharedPath, target: string): void;
  /** Gives a file one more name. */
  link(from: SharedPath, to: SharedPath): void;
  rename(from: SharedPath, to: SharedPath): void;
  removeFile(path: SharedPath): void;
  removeFolder(path: SharedPath): void;
  change(path: SharedPath, changes: FileChanges): void;
  space(): FolderSpace;
}
