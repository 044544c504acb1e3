import type { Rect } from '../../../display/interfaces.ts';
import type { GuestMemory } from '../../../machine/interfaces.ts';
import type { Segment } from '../chain.ts';
import { PIXEL_BYTES } from './protocol.ts';

/** Bytes of a resource to a flag that it has to be drawn anew: DIRTY_PAGE_BYTES of the display. */
const PAGE_BYTES = 4096;

/** Guest memory that lies behind a resource: stretches of RAM, addressed from 0 as if they followed one another. */
export class Backing {
  readonly segments: readonly Segment[];
  readonly #memory: GuestMemory;
  /** Where each segment begins, and at last where all end. */
  readonly #starts: Float64Array;

  /** @param segments of RAM, none of them empty */
  constructor(memory: GuestMemory, segments: readonly Segment[]) {
    this.#memory = memory;
    this.segments = segments;
    this.#starts = new Float64Array(segments.length + 1);
    for (const [index, { length }] of segments.entries()) this.#starts[index + 1] = this.#starts[index] + length;
  }

  get sizeBytes(): number {
    return this.#starts[this.segments.length];
  }

  /** Copies out of the backing. What lies behind its end is left as it is in `target`. @throws {PageAbsent} */
  read(offset: number, target: Uint8Array): void {
    this.#forEachPiece(offset, target.length, (gpa, length, from) => {
      target.set(this.#memory.forRead(gpa, length), from);
    });
  }

  /** Makes sure that {@link read} does not have to wait. @throws {PageAbsent} */
  requirePresent(offset: number, length: number): void {
    this.#forEachPiece(offset, length, (gpa, bytes) => this.#memory.forRead(gpa, bytes));
  }

  #forEachPiece(offset: number, length: number, take: (gpa: number, length: number, from: number) => void): void {
    const end = Math.min(offset + length, this.sizeBytes);
    for (let [at, index] = [offset, this.#segmentAt(offset)]; at < end; index++) {
      const start = this.#starts[index];
      const next = Math.min(end, this.#starts[index + 1]);
      take(this.segments[index].gpa + at - start, next - at, at - offset);
      at = next;
    }
  }

  /** The segment that has the byte at `offset`. */
  #segmentAt(offset: number): number {
    let [low, high] = [0, this.segments.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle] <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** What a resource is made of. */
export interface ResourceShape {
  readonly id: number;
  /** One of FORMATS. */
  readonly format: number;
  readonly width: number;
  readonly height: number;
}

/** A 2D resource (virtio 1.2 section 5.7.6.8): a picture of the host's that the guest fills from its backing. */
export class GpuResource implements ResourceShape {
  readonly id: number;
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
  backing: Backing | undefined;
  readonly #dirty: Uint8Array;

  constructor({ id, format, width, height }: ResourceShape) {
    this.id = id;
    this.format = format;
    this.width = width;
    this.height = height;
    this.bytes = new Uint8Array(width * height * PIXEL_BYTES);
    this.#dirty = new Uint8Array(Math.ceil(this.bytes.length / PAGE_BYTES)).fill(1);
  }

  /** Bytes from a line to the next. */
  get pitch(): number {
    return this.width * PIXEL_BYTES;
  }

  /** Whether a part lies inside of the picture. */
  contains({ x, y, width, height }: Rect): boolean {
    return x + width <= this.width && y + height <= this.height;
  }

  /**
   * Fills a part from the backing, whose lines are as long as those of the picture.
   * @param offset of the part's first pixel in the backing  @throws {PageAbsent} nothing has changed
   */
  transfer(part: Rect, offset: number): void {
    const { backing, pitch } = this;
    if (!backing || part.width === 0 || part.height === 0) return;
    const isWhole = part.width === this.width;
    const [lines, bytes] = isWhole ? [1, part.height * pitch] : [part.height, part.width * PIXEL_BYTES];
    backing.requirePresent(offset, (part.height - 1) * pitch + part.width * PIXEL_BYTES);
    for (let line = 0; line < lines; line++) {
      const at = (part.y + line) * pitch + part.x * PIXEL_BYTES;
      backing.read(offset + line * pitch, this.bytes.subarray(at, at + bytes));
    }
  }

  /** Says that a part has to be drawn anew. */
  damage({ x, y, width, height }: Rect): void {
    if (width === 0) return;
    for (let line = y; line < y + height; line++) {
      const start = line * this.pitch + x * PIXEL_BYTES;
      const last = Math.floor((start + width * PIXEL_BYTES - 1) / PAGE_BYTES);
      this.#dirty.fill(1, Math.floor(start / PAGE_BYTES), last + 1);
    }
  }

  damageAll(): void {
    this.#dirty.fill(1);
  }

  /** As DisplaySource has it. */
  takeDirty(): Uint8Array {
    const taken = this.#dirty.slice();
    this.#dirty.fill(0);
    return taken;
  }
}
