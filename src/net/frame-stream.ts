import { ByteWriter } from '../base/bytes.ts';
import { get32 } from './ethernet.ts';

const LENGTH_BYTES = 4;
const MOST_FRAME_BYTES = 0x10000 + 18;

/** Frames over a stream of bytes: each has its length before it, four bytes, the high one first, as QEMU's `-netdev stream` has it. */
export class FrameParser {
  readonly #receive: (frame: Uint8Array) => void;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(receive: (frame: Uint8Array) => void) {
    this.#receive = receive;
  }

  /** Takes what came. @returns false when it is no stream of frames: nothing more can be made of it */
  push(bytes: Uint8Array): boolean {
    const all = this.#bytes.length === 0 ? bytes : joined(this.#bytes, bytes);
    let at = 0;
    while (at + LENGTH_BYTES <= all.length) {
      const length = get32(all, at);
      if (length > MOST_FRAME_BYTES) return false;
      const end = at + LENGTH_BYTES + length;
      if (end > all.length) break;
      this.#receive(all.subarray(at + LENGTH_BYTES, end));
      at = end;
    }
    this.#bytes = all.slice(at);
    return true;
  }
}

/** A frame as it stands in the stream. */
export function framed(frame: Uint8Array): Uint8Array {
  const { length } = frame;
  return new ByteWriter()
    .append([length >>> 24, length >>> 16, length >>> 8, length])
    .append(frame)
    .finish();
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
