import { readGuest, requirePresent, viewForWrite, writeGuest } from '../../machine/dma.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';

/** A stretch of guest memory that a descriptor names. It need not be RAM. */
export interface Segment {
  readonly gpa: number;
  readonly length: number;
}

/**
 * The buffer that a descriptor chain makes up: first the bytes that the device may read, then those that it may write
 * (virtio 1.2 section 2.7.4.2). Both parts are addressed from 0.
 */
export class Chain {
  /** Index of the chain's first descriptor, by which the driver knows it. */
  readonly head: number;
  readonly readableBytes: number;
  readonly writableBytes: number;
  readonly #memory: GuestMemory;
  readonly #readable: readonly Segment[];
  readonly #writable: readonly Segment[];
  #live = true;

  constructor(memory: GuestMemory, head: number, readable: readonly Segment[], writable: readonly Segment[]) {
    this.#memory = memory;
    this.head = head;
    this.#readable = readable;
    this.#writable = writable;
    this.readableBytes = totalOf(readable);
    this.writableBytes = totalOf(writable);
  }

  /** False once the queue was reset or the chain given back: its memory is the guest's again. */
  get live(): boolean {
    return this.#live;
  }

  /** Ends the device's right to the buffer. */
  retire(): void {
    this.#live = false;
  }

  /** Makes sure that nothing done with the buffer has to wait. @throws {PageAbsent} */
  requirePresent(): void {
    for (const { gpa, length } of this.#readable) requirePresent(this.#memory, gpa, length);
    for (const { gpa, length } of this.#writable) requirePresent(this.#memory, gpa, length);
  }

  /** Copies from the readable part. @returns how many bytes there were: fewer than `target` holds at its end */
  read(offset: number, target: Uint8Array): number {
    return transfer(this.#readable, offset, target, (gpa, part) => readGuest(this.#memory, gpa, part));
  }

  /** A copy of up to `length` bytes of the readable part. */
  readBytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.readableBytes - offset)));
    this.read(offset, bytes);
    return bytes;
  }

  /** Views of bytes of the writable part, to be filled at once; undefined where not all of them are RAM. */
  viewsForWrite(offset: number, length: number): Uint8Array[] | undefined {
    const views: Uint8Array[] = [];
    let start = 0;
    for (const { gpa, length: size } of this.#writable) {
      const from = Math.max(offset, start);
      const end = Math.min(offset + length, start + size);
      if (from < end) {
        const view = viewForWrite(this.#memory, gpa + from - start, end - from);
        if (!view) return undefined;
        views.push(view);
      }
      start += size;
    }
    return views;
  }

  /** Copies to the writable part; what does not fit is dropped, and all of it once the chain is not live.
   * @returns how many bytes were taken */
  write(offset: number, source: Uint8Array): number {
    if (!this.#live) return 0;
    return transfer(this.#writable, offset, source, (gpa, part) => writeGuest(this.#memory, gpa, part));
  }
}

function totalOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}

/** Moves the bytes of `buffer` piece by piece to or from the segments, beginning `offset` bytes into them. */
function transfer(
  segments: readonly Segment[],
  offset: number,
  buffer: Uint8Array,
  move: (gpa: number, part: Uint8Array) => void,
): number {
  let start = 0;
  let done = 0;
  for (const { gpa, length } of segments) {
    const skip = offset + done - start;
    start += length;
    if (skip >= length) continue;
    if (done === buffer.length) break;
    const count = Math.min(length - skip, buffer.length - done);
    move(gpa + skip, buffer.subarray(done, done + count));
    done += count;
  }
  return done;
}
