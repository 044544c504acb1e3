import type { DiskHost, ImageFile } from '../../src/disk/interfaces.ts';
import { MemoryContent, type MemoryStore } from '../../src/disk/memory-file.ts';

type Operation =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }
  | { readonly kind: 'flush' };

/** What was done to a file since it was opened, so that a crash at any moment can be played. */
export class Recording {
  readonly operations: Operation[] = [];
  readonly #start: Uint8Array;

  constructor(start: Uint8Array) {
    this.#start = start;
  }

  /** The file after a power failure when `count` operations had been done: what was not flushed is there, is not, or
   * ends after some of its sectors. */
  crash(count: number, below: (limit: number) => number): MemoryContent {
    const content = MemoryContent.of(this.#start);
    const flushed = this.operations.slice(0, count).findLastIndex(({ kind }) => kind === 'flush');
    for (const [i, operation] of this.operations.slice(0, count).entries()) {
      if (operation.kind === 'truncate') content.truncate(operation.sizeBytes);
      if (operation.kind === 'write')
        content.write(operation.offset, i < flushed ? operation.bytes : tear(operation, below));
    }
    return content;
  }
}

function tear({ offset, bytes }: Extract<Operation, { kind: 'write' }>, below: (limit: number) => number): Uint8Array {
  const fate = below(3);
  if (fate === 0) return bytes;
  if (fate === 1) return bytes.subarray(0, 0);
  const kept = below(Math.ceil(bytes.length / 512) + 1) * 512 - (offset % 512);
  return bytes.subarray(0, Math.max(0, kept));
}

/** A host on whose file every change is recorded. @param flushes whether flushes reach the storage */
export function recordingHost(host: DiskHost & { readonly files: MemoryStore }, name: string, flushes: boolean) {
  const recording = new Recording(host.files.contents.get(name)?.bytes() ?? new Uint8Array());
  const files: MemoryStore = Object.create(host.files, {
    open: {
      value: async (...args: Parameters<MemoryStore['open']>) =>
        record(await host.files.open(...args), recording.operations, flushes),
    },
  });
  return { host: { ...host, files }, recording };
}

function record(file: ImageFile, operations: Operation[], flushes: boolean): ImageFile {
  return {
    name: file.name,
    readOnly: file.readOnly,
    get sizeBytes() {
      return file.sizeBytes;
    },
    read: (offset, target) => file.read(offset, target),
    async write(offset, bytes) {
      operations.push({ kind: 'write', offset, bytes: bytes.slice() });
      await file.write(offset, bytes);
    },
    async truncate(sizeBytes) {
      operations.push({ kind: 'truncate', sizeBytes });
      await file.truncate(sizeBytes);
    },
    async flush() {
      if (flushes) operations.push({ kind: 'flush' });
    },
    close: () => file.close(),
  };
}
