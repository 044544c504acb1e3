import type { HostCharPort } from './char-ports.ts';
import { type ByteReceiver, InputQueue } from './input-queue.ts';
import { OutputBatch } from './output-batch.ts';

/** What a console that is opened late still gets to see. */
const HISTORY_BYTES = 64 * 1024;

/** A serial line that consoles of web pages share: all of them see its output, and what was there before they came. */
export class WebSerial implements HostCharPort {
  readonly #batch = new OutputBatch((bytes) => this.#write(bytes));
  readonly #input = new InputQueue({ pause: () => {}, resume: () => {} });
  readonly #consoles = new Set<(bytes: Uint8Array) => void>();
  #history: Uint8Array[] = [];
  #historyBytes = 0;

  send(byte: number): void {
    this.#batch.push(byte);
  }

  onByte(receive: ByteReceiver): void {
    this.#input.onByte(receive);
  }

  flush(): void {
    this.#batch.flush();
  }

  close(): void {
    this.flush();
    this.#input.close();
  }

  /** What is typed at a console. */
  receive(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** Adds a console, until the returned function is called. @param show called with output, the history first */
  attach(show: (bytes: Uint8Array) => void): () => void {
    this.flush();
    for (const bytes of this.#history) show(bytes);
    this.#consoles.add(show);
    return () => void this.#consoles.delete(show);
  }

  #write(bytes: Uint8Array): void {
    this.#history.push(bytes);
    this.#historyBytes += bytes.length;
    while (this.#historyBytes - this.#history[0].length > HISTORY_BYTES) {
      this.#historyBytes -= this.#history[0].length;
      this.#history = this.#history.slice(1);
    }
    for (const show of this.#consoles) show(bytes);
  }
}
