import { concatenate } from '../../base/bytes.ts';
import type { ByteChannel } from '../../machine/interfaces.ts';
import { BytePieces } from './byte-pieces.ts';
import { encodeFrame, FRAME, type Frame, FrameReader, MOST_FRAME_BYTES } from './frames.ts';

/** Bytes that one who asks has not taken, beyond which the agent has sent more than it was allowed to. */
const MOST_UNTAKEN_BYTES = 4 << 20;
/** More than what an agent can still wait for that was saved in the middle of a frame. */
const PADDING_BYTES = MOST_FRAME_BYTES + 64;
const NONCE_BYTES = 16;

/** One who asks the agent to do something: a connection. */
export interface AgentClient {
  /** Bytes that were sent and have not been taken. */
  readonly untakenBytes: number;
  send(bytes: Uint8Array): void;
  close(): void;
}

/** What a client uses. */
export interface AgentLine {
  /** Takes bytes of frames from the client. */
  receive(bytes: Uint8Array): void;
  /** The client has gone. */
  close(): void;
}

interface Line {
  readonly client: AgentClient;
  readonly reader: FrameReader;
}

/** What clients may ask of the agent. */
const ASKED: readonly number[] = [FRAME.start, FRAME.input, FRAME.credit, FRAME.hangUp];
/** What the agent may answer. */
const ANSWERED: readonly number[] = [FRAME.credit, FRAME.output, FRAME.messages, FRAME.ended];

/**
 * The outside end of the channel to the guest's agent: many clients share it, a command each.
 *
 * Whenever the guest opens its end, and after a restore, both sides forget everything: the agent is told a nonce, and
 * what comes is not listened to until the nonce has come back.
 */
export class AgentRelay implements ByteChannel {
  readonly #random: (bytes: number) => Uint8Array;
  readonly #lines = new Map<number, Line>();
  readonly #toGuest = new BytePieces();
  #reader = new FrameReader();
  /** What is waited for before the agent is listened to: undefined when it is. */
  #greeting: Uint8Array | undefined;
  #heard: Uint8Array = new Uint8Array(0);
  #isOpen = false;
  #nextId = 1;
  #changed: () => void = () => {};

  /** @param random makes random bytes, which the guest has not seen before */
  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random;
  }

  send(bytes: Uint8Array): boolean {
    if (!this.#isOpen) return true;
    if (this.#greeting) this.#listenFor(this.#greeting, bytes);
    else this.#listen(bytes);
    return true;
  }

  take(most: number): Uint8Array {
    return this.#toGuest.take(most);
  }

  opened(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#toGuest.clear();
    this.#reader = new FrameReader();
    this.#heard = new Uint8Array(0);
    this.#refuseAll('the guest has restarted, or its agent has');
    this.#greeting = undefined;
    if (!isOpen) return;
    const nonce = this.#random(NONCE_BYTES);
    this.#greeting = nonce;
    this.#toGuest.push(new Uint8Array(PADDING_BYTES), encodeFrame({ type: FRAME.reset, id: 0, payload: nonce }));
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** Lets a client ask for a command; `ready` or `refused` is the first that it hears. */
  connect(client: AgentClient): AgentLine {
    if (!this.#isOpen) {
      client.send(refusal('the guest has no agent that runs'));
      client.close();
      return { receive: () => {}, close: () => {} };
    }
    const id = this.#nextId;
    this.#nextId = (this.#nextId % 0xffff_ffff) + 1;
    this.#lines.set(id, { client, reader: new FrameReader() });
    if (!this.#greeting) client.send(READY);
    return { receive: (bytes) => this.#asked(id, bytes), close: () => this.#left(id) };
  }

  #asked(id: number, bytes: Uint8Array): void {
    const line = this.#lines.get(id);
    if (!line || this.#greeting) return;
    try {
      for (const { type, payload } of line.reader.push(bytes)) {
        if (ASKED.includes(type)) this.#toGuest.push(encodeFrame({ type, id, payload }));
      }
    } catch {
      this.#hangUp(id);
      line.client.close();
    }
    this.#changed();
  }

  #left(id: number): void {
    this.#hangUp(id);
    this.#changed();
  }

  #hangUp(id: number): void {
    if (!this.#lines.delete(id) || this.#greeting) return;
    this.#toGuest.push(encodeFrame({ type: FRAME.hangUp, id, payload: new Uint8Array(0) }));
  }

  /** Looks for the nonce, whatever comes before. */
  #listenFor(nonce: Uint8Array, bytes: Uint8Array): void {
    const all = concatenate([this.#heard, bytes]);
    const at = indexOf(all, nonce);
    if (at < 0) {
      this.#heard = all.slice(-(NONCE_BYTES - 1));
      return;
    }
    this.#greeting = undefined;
    for (const { client } of this.#lines.values()) client.send(READY);
    this.#listen(all.subarray(at + nonce.length));
  }

  #listen(bytes: Uint8Array): void {
    try {
      for (const frame of this.#reader.push(bytes)) this.#answer(frame);
    } catch {
      this.opened(true); // this is no agent, or one that has lost its place
    }
  }

  #answer({ type, id, payload }: Frame): void {
    const line = this.#lines.get(id);
    if (!line || !ANSWERED.includes(type)) return;
    line.client.send(encodeFrame({ type, id: 0, payload }));
    const isOver = type === FRAME.ended;
    const isTooMuch = line.client.untakenBytes > MOST_UNTAKEN_BYTES;
    if (isOver) this.#lines.delete(id);
    else if (isTooMuch) this.#hangUp(id);
    if (isOver || isTooMuch) line.client.close();
  }

  #refuseAll(why: string): void {
    for (const { client } of this.#lines.values()) {
      client.send(refusal(why));
      client.close();
    }
    this.#lines.clear();
  }
}

const READY = encodeFrame({ type: FRAME.ready, id: 0, payload: new Uint8Array(0) });

function refusal(why: string): Uint8Array {
  return encodeFrame({ type: FRAME.refused, id: 0, payload: new TextEncoder().encode(why) });
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
