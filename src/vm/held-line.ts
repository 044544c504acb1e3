import type { CharPort } from '../machine/interfaces.ts';

/** A serial line that is not listened to before a machine has its kernel or has been restored, which would forget what it heard until then. */
export class HeldLine implements CharPort {
  readonly #line: CharPort;
  #listen = () => {};

  constructor(line: CharPort) {
    this.#line = line;
  }

  send(byte: number): void {
    this.#line.send(byte);
  }

  onByte(receive: (byte: number) => boolean): void {
    this.#listen = () => this.#line.onByte(receive);
  }

  /** Has the machine hear what comes, and what has come. */
  release(): void {
    this.#listen();
  }
}
