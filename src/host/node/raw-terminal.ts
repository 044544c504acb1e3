import type { ReadStream } from 'node:tty';

/** What leaves a machine on a terminal: Ctrl-]. */
const LEAVE = 0x1d;

/** A terminal whose every key goes to the guest, but for Ctrl-]. It is put back on every way out of the process. */
export class RawTerminal {
  readonly #input: ReadStream;
  readonly #leave: () => void;
  readonly #restore = () => void this.#input.setRawMode(false);
  readonly #continue = () => void this.#input.setRawMode(true);

  /** @param leave called when Ctrl-] is typed */
  constructor(input: ReadStream, leave: () => void) {
    this.#input = input;
    this.#leave = leave;
    input.setRawMode(true);
    process.on('exit', this.#restore);
    process.on('SIGCONT', this.#continue);
  }

  /** Looks for Ctrl-] and answers the keys before it. */
  watch(keys: Uint8Array): Uint8Array {
    const end = keys.indexOf(LEAVE);
    if (end < 0) return keys;
    this.#leave();
    return keys.subarray(0, end);
  }

  /** Puts the terminal back. */
  close(): void {
    process.off('exit', this.#restore);
    process.off('SIGCONT', this.#continue);
    this.#restore();
  }
}
