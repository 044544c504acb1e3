import { PAGE_BYTES } from './guest-memory.ts';
import type { BlockDevice } from './interfaces.ts';
import { CHUNK_BYTES, CHUNK_PAGES, type ChunkContent, compactChunk } from './memory-capture.ts';
import { isZeroPage } from './ram-state.ts';

/** A disk whose content can be kept as it is at one moment, while it goes on being written. */
export class CapturableDisk implements BlockDevice {
  readonly #device: BlockDevice;
  #capture: DiskCapture | undefined;

  constructor(device: BlockDevice) {
    this.#device = device;
  }

  get sizeBytes(): number {
    return this.#device.sizeBytes;
  }

  get readOnly(): boolean {
    return this.#device.readOnly;
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#device.read(offset, target);
  }

  readNow(offset: number, targets: readonly Uint8Array[]): boolean {
    return this.#device.readNow?.(offset, targets) ?? false;
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    await this.#capture?.keep(offset, source.length);
    return this.#device.write(offset, source);
  }

  flush(): Promise<void> {
    return this.#device.flush();
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#capture?.keep(offset, length);
    return this.#device.discard(offset, length);
  }

  close(): Promise<void> {
    return this.#device.close();
  }

  /** Keeps what the disk holds now; of writes under way it may have either side. One capture at a time. */
  capture(): DiskCapture {
    const capture = new DiskCapture(this.#device, () => {
      if (this.#capture === capture) this.#capture = undefined;
    });
    this.#capture = capture;
    return capture;
  }
}

/** A disk as it was at one moment. Pages stand for its offsets. */
export class DiskCapture {
  readonly #device: BlockDevice;
  readonly #ended: () => void;
  /** Chunks that are or were read, but not those that are done with. */
  readonly #contents = new Map<number, Promise<Uint8Array>>();
  readonly #done = new Set<number>();

  constructor(device: BlockDevice, ended: () => void) {
    this.#device = device;
    this.#ended = ended;
  }

  *chunks(): Generator<number> {
    for (let at = 0; at < this.#device.sizeBytes; at += CHUNK_BYTES) yield at;
  }

  /** What a chunk held. Each is to be read once: the capture then forgets it. @throws {Error} the disk cannot be read */
  async read(chunk: number): Promise<ChunkContent> {
    const content = await this.#content(chunk);
    this.#done.add(chunk);
    this.#contents.delete(chunk);
    let mask = 0;
    for (let page = 0; page < CHUNK_PAGES; page++) {
      if (!isZeroPage(content.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES))) mask |= 1 << page;
    }
    return { mask, bytes: compactChunk(content, mask) };
  }

  /** Reads what is about to change. One that fails to read does not keep the guest from writing: the capture fails. */
  async keep(offset: number, length: number): Promise<void> {
    const kept: Promise<unknown>[] = [];
    for (let chunk = offset - (offset % CHUNK_BYTES); chunk < offset + length; chunk += CHUNK_BYTES) {
      if (!this.#done.has(chunk)) kept.push(this.#content(chunk).catch(() => undefined));
    }
    await Promise.all(kept);
  }

  /** Writes are of no interest any more. */
  end(): void {
    this.#contents.clear();
    this.#ended();
  }

  #content(chunk: number): Promise<Uint8Array> {
    const known = this.#contents.get(chunk);
    if (known) return known;
    const bytes = new Uint8Array(CHUNK_BYTES);
    const inside = bytes.subarray(0, Math.min(CHUNK_BYTES, this.#device.sizeBytes - chunk));
    const content = this.#device.read(chunk, inside).then(() => bytes);
    this.#contents.set(chunk, content);
    return content;
  }
}
