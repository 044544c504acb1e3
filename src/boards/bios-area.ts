import type { GuestMemory } from '../machine/interfaces.ts';

const ALIGNMENT = 16;

/** Hands out room in the BIOS area. */
export class BiosArea {
  #next: number;
  readonly #end: number;
  readonly #memory: GuestMemory;

  /** @param start the first address  @param end the one after the last */
  constructor(memory: GuestMemory, start: number, end: number) {
    this.#memory = memory;
    this.#next = start;
    this.#end = end;
  }

  /** @returns where there is room  @throws {RangeError} there is none */
  place(length: number, alignment = ALIGNMENT): number {
    const gpa = Math.ceil(this.#next / alignment) * alignment;
    this.#next = gpa + length;
    if (this.#next > this.#end) throw new RangeError('the tables do not fit in the BIOS area');
    return gpa;
  }

  /** Writes bytes where there is room. @returns where that is  @throws {RangeError} there is none */
  put(bytes: Uint8Array): number {
    const gpa = this.place(bytes.length);
    this.#memory.forWrite(gpa, bytes.length).set(bytes);
    return gpa;
  }
}
