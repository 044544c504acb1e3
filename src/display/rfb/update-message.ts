import type { Rect } from '../interfaces.ts';

/** What comes before the rectangles of an update, and before the data of a rectangle. */
const UPDATE_BYTES = 4;
const RECT_BYTES = 12;

/** A rectangle of an update, whose data is put where it is sent from. */
export interface EncodedRect {
  readonly rect: Rect;
  readonly encoding: number;
  readonly dataBytes: number;
  put(target: Uint8Array, at: number): void;
}

/** A rectangle with data that is there already. */
export function dataRect(rect: Rect, encoding: number, data: Uint8Array = new Uint8Array(0)): EncodedRect {
  return { rect, encoding, dataBytes: data.length, put: (target, at) => target.set(data, at) };
}

/**
 * Makes FramebufferUpdates (RFC 6143 section 7.6.1). They may be megabytes thirty times a second, so that the memory of
 * one that was sent is used again: new memory for each costs as much as all the rest.
 */
export class UpdateWriter {
  #spare: Uint8Array = new Uint8Array(0);

  write(rects: readonly EncodedRect[]): Uint8Array {
    const message = this.#take(rects.reduce((sum, { dataBytes }) => sum + RECT_BYTES + dataBytes, UPDATE_BYTES));
    const view = new DataView(message.buffer, message.byteOffset);
    view.setUint32(0, rects.length);
    let at = UPDATE_BYTES;
    for (const { rect, encoding, dataBytes, put } of rects) {
      for (const [n, field] of [rect.x, rect.y, rect.width, rect.height].entries()) view.setUint16(at + n * 2, field);
      view.setInt32(at + 8, encoding);
      put(message, at + RECT_BYTES);
      at += RECT_BYTES + dataBytes;
    }
    return message;
  }

  /** Says that a message's bytes are not needed any more. */
  release(message: Uint8Array): void {
    if (message.buffer.byteLength > this.#spare.length) this.#spare = new Uint8Array(message.buffer);
  }

  #take(length: number): Uint8Array {
    if (this.#spare.length < length) return new Uint8Array(length);
    const message = this.#spare.subarray(0, length);
    this.#spare = new Uint8Array(0);
    return message;
  }
}
