import { concatenate } from '../../base/bytes.ts';

/** The port of the virtio console that the guest's agent listens on. */
export const AGENT_CHANNEL = 'org.vitrine.agent.0';

/**
 * What frames say. A frame is its type (a byte), the number of a command (32 bits), the length of what follows (32 bits),
 * little-endian, and what follows. Bytes of 0 between frames mean nothing.
 */
export const FRAME = {
  /** To the agent: forget everything; the rest is a nonce, which comes back. */
  reset: 1,
  /** From the agent, which has forgotten everything: the nonce. */
  hello: 2,
  /** To the agent: begin a command; its words, each with a NUL behind it. */
  start: 3,
  /** To the agent: bytes of the command's input; none: its end. */
  input: 4,
  /** Either way: so many more bytes (32 bits) may be sent of the command's output or input. */
  credit: 5,
  /** To the agent: nobody waits for the command any more. */
  hangUp: 6,
  /** From the agent: bytes of the command's output, or of its messages. */
  output: 7,
  messages: 8,
  /** From the agent: the command has ended; `exit N` or `signal N`. */
  ended: 9,
  /** From the machine to who asks: the agent listens now. */
  ready: 10,
  /** From the machine to who asks: nothing comes of it; why, as text. */
  refused: 11,
} as const;

/** What a command may send before it is given more, in either direction. */
export const FIRST_CREDIT_BYTES: number = 1 << 20;
/** The longest that follows a frame's header. */
export const MOST_FRAME_BYTES: number = 1 << 16;
const HEADER_BYTES = 9;

/** A frame. */
export interface Frame {
  readonly type: number;
  /** Which command it is about. */
  readonly id: number;
  readonly payload: Uint8Array;
}

/** The bytes of a frame. @param payload up to {@link MOST_FRAME_BYTES} */
export function encodeFrame({ type, id, payload }: Frame): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = type;
  view.setUint32(1, id, true);
  view.setUint32(5, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** What a frame of credit says. */
export function encodeCredit(bytes: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes, true);
  return payload;
}

/** Bytes that a frame of credit grants. */
export function decodeCredit({ payload }: Frame): number {
  return payload.length === 4 ? new DataView(payload.buffer, payload.byteOffset).getUint32(0, true) : 0;
}

/** Finds frames in a stream of bytes. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array(0);

  /** @returns the frames that are complete now  @throws {RangeError} one is too long: this is no stream of frames */
  push(bytes: Uint8Array): Frame[] {
    const all = this.#bytes.length === 0 ? bytes : concatenate([this.#bytes, bytes]);
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const frames: Frame[] = [];
    let at = 0;
    for (;;) {
      while (all[at] === 0) at++;
      if (all.length - at < HEADER_BYTES) break;
      const length = view.getUint32(at + 5, true);
      if (length > MOST_FRAME_BYTES) throw new RangeError(`a frame of ${length} bytes`);
      const end = at + HEADER_BYTES + length;
      if (end > all.length) break;
      frames.push({ type: all[at], id: view.getUint32(at + 1, true), payload: all.slice(at + HEADER_BYTES, end) });
      at = end;
    }
    this.#bytes = all.slice(at);
    return frames;
  }
}
