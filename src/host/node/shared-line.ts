import type { HostCharPort } from './char-ports.ts';
import { type ByteReceiver, InputQueue } from './input-queue.ts';

/** A serial line with further listeners, who can type on it too. */
export class SharedLine implements HostCharPort {
  readonly #inner: HostCharPort | undefined;
  readonly #listeners = new Set<(byte: number) => void>();
  readonly #typed = new InputQueue({ pause: () => {}, resume: () => {} });

  /** @param inner the line's own outside end, if it has one; it belongs to the shared line from then on */
  constructor(inner: HostCharPort | undefined) {
    this.#inner = inner;
  }

  send(byte: number): void {
    this.#inner?.send(byte);
    for (const listen of this.#listeners) listen(byte);
  }

  onByte(receive: ByteReceiver): void {
    this.#inner?.onByte((byte) => receive(byte) as boolean);
    this.#typed.onByte(receive);
  }

  /** @param listen told every byte of the guest from now on, until the returned function is called */
  listen(listen: (byte: number) => void): () => void {
    this.#listeners.add(listen);
    return () => void this.#listeners.delete(listen);
  }

  /** Types bytes. */
  type(bytes: Uint8Array): void {
    this.#typed.push(bytes);
  }

  flush(): void {
    this.#inner?.flush();
  }

  close(): void {
    this.#typed.close();
    this.#inner?.close();
  }
}
