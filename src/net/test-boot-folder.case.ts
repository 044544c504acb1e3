import type { OpenServedFile } from './served-files.ts';

/** A folder of a test, which sees how many of its files are open. */
export class TestBootFolder {
  readonly files: Map<string, Uint8Array>;
  openFiles = 0;

  constructor(files: Readonly<Record<string, Uint8Array>>) {
    this.files = new Map(Object.entries(files));
  }

  readonly open: OpenServedFile = async (name) => {
    const bytes = this.files.get(name);
    if (!bytes) return undefined;
    this.openFiles++;
    return {
      sizeBytes: bytes.length,
      read: async (at, length) => bytes.slice(at, at + length),
      close: () => {
        this.openFiles--;
      },
    };
  };
}
