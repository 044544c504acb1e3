import type { IrqLine } from './interfaces.ts';

/** Joins several sources on one level-triggered line: the output is asserted while any source asserts its input. */
export class WiredOr {
  readonly #output: IrqLine;
  #asserted = 0;

  constructor(output: IrqLine) {
    this.#output = output;
  }

  /** Makes the input of one more source, not asserted. */
  input(): IrqLine {
    let own = false;
    return {
      set: (level) => {
        if (level === own) return;
        own = level;
        this.#asserted += level ? 1 : -1;
        this.#output.set(this.#asserted > 0);
      },
    };
  }
}
