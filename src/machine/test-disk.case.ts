import type { BlockDevice } from './interfaces.ts';

/** A disk in memory that notes what it is asked. */
export class TestDisk implements BlockDevice {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  /** Kinds of requests in order, with place and length. */
  readonly log: string[] = [];
  /** Whether every request fails. */
  broken = false;

  constructor(sizeBytes: number, readOnly = false) {
    this.bytes = new Uint8Array(sizeBytes);
    this.readOnly = readOnly;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#note(`read ${offset}+${target.length}`);
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    this.#note(`write ${offset}+${source.length}`);
    this.bytes.set(source, offset);
  }

  async flush(): Promise<void> {
    this.#note('flush');
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#note(`discard ${offset}+${length}`);
    this.bytes.fill(0, offset, offset + length);
  }

  async close(): Promise<void> {}

  #note(what: string): void {
    this.log.push(what);
    if (this.broken) throw new Error('the test wants this to fail');
  }
}
