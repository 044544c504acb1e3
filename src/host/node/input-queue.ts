/** Takes a byte from outside. It may answer `false` when it has no room: the byte is then offered again later. */
export type ByteReceiver = (byte: number) => unknown;

/** Something whose flow of bytes can be halted, such as a stream. */
export interface Pausable {
  pause(): void;
  resume(): void;
}

const RETRY_MILLIS = 1;
/** Waiting bytes beyond this halt the source; it resumes once all are taken. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Bytes from outside on their way to a receiver that takes as many as it has room for. None is lost. */
export class InputQueue {
  readonly #source: Pausable;
  readonly #chunks: Uint8Array[] = [];
  #taken = 0;
  #waitingBytes = 0;
  #receiver: ByteReceiver | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(source: Pausable) {
    this.#source = source;
  }

  /** Where the bytes go; what came before waits until then. */
  onByte(receiver: ByteReceiver): void {
    this.#receiver = receiver;
    this.#deliver();
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#deliver();
    if (this.#waitingBytes > HIGH_WATER_BYTES) this.#source.pause();
  }

  /** Forgets what still waits. */
  close(): void {
    clearTimeout(this.#retry);
    this.#chunks.length = 0;
    this.#receiver = undefined;
  }

  #deliver(): void {
    clearTimeout(this.#retry);
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      if (!this.#deliverChunk(chunk, receiver)) {
        this.#retry = setTimeout(() => this.#deliver(), RETRY_MILLIS);
        return;
      }
      this.#chunks.shift();
      this.#taken = 0;
    }
    this.#source.resume();
  }

  /** @returns whether the whole chunk was taken */
  #deliverChunk(chunk: Uint8Array, receiver: ByteReceiver): boolean {
    for (; this.#taken < chunk.length; this.#taken++) {
      if (receiver(chunk[this.#taken] ?? 0) === false) return false;
      this.#waitingBytes--;
    }
    return true;
  }
}
