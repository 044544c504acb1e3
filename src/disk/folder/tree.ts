/** A file, folder or symbolic link that goes into an image made from a folder. */
export interface FolderNode {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
  /** POSIX permission bits. */
  readonly mode: number;
  /** Last change: milliseconds since 1970. */
  readonly modifiedMillis: number;
  /** Of a file. */
  readonly sizeBytes: number;
  /** Of a folder. */
  readonly children: readonly FolderNode[];
  /** What a link points to. */
  readonly target?: string;
  /** Reads from a file. A file that has become shorter gives zeros. */
  read(offset: number, target: Uint8Array): Promise<void>;
}

/** A folder of files whose content is at hand. */
export function memoryFolder(files: Readonly<Record<string, Uint8Array>>, modifiedMillis: number): FolderNode {
  const node = (
    name: string,
    kind: FolderNode['kind'],
    bytes: Uint8Array,
    children: readonly FolderNode[],
  ): FolderNode => ({
    name,
    kind,
    mode: kind === 'folder' ? 0o755 : 0o644,
    modifiedMillis,
    sizeBytes: bytes.length,
    children,
    async read(offset, target) {
      target.fill(0).set(bytes.subarray(offset, offset + target.length));
    },
  });
  const children = Object.entries(files).map(([name, bytes]) => node(name, 'file', bytes, []));
  return node('', 'folder', new Uint8Array(), children);
}
