/** A set of interrupt vectors, 0 to 255, laid out as the APIC's ISR, TMR and IRR: eight 32-bit words. */
export class VectorSet {
  readonly #words = new Uint32Array(8);

  add(vector: number): void {
    this.#words[vector >> 5] |= 1 << (vector & 31);
  }

  delete(vector: number): void {
    this.#words[vector >> 5] &= ~(1 << (vector & 31));
  }

  has(vector: number): boolean {
    return (this.#words[vector >> 5] & (1 << (vector & 31))) !== 0;
  }

  /** The highest vector in the set, or -1 when it is empty. */
  highest(): number {
    for (let i = 7; i >= 0; i--) {
      if (this.#words[i] !== 0) return i * 32 + 31 - Math.clz32(this.#words[i]);
    }
    return -1;
  }

  /** Vectors 32 × `index` to 32 × `index` + 31 as bits. */
  word(index: number): number {
    return this.#words[index];
  }

  toWords(): number[] {
    return [...this.#words];
  }

  load(words: readonly number[]): void {
    for (let i = 0; i < 8; i++) this.#words[i] = words[i];
  }

  clear(): void {
    this.#words.fill(0);
  }
}
