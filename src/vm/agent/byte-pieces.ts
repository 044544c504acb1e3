/** Bytes that wait for a reader who takes as many as it has room for: pieces, in the order in which they came. */
export class BytePieces {
  #pieces: Uint8Array[] = [];

  push(...pieces: readonly Uint8Array[]): void {
    this.#pieces.push(...pieces);
  }

  /** Takes at most `most` bytes, of one piece; none where nothing waits. */
  take(most: number): Uint8Array {
    const [first] = this.#pieces;
    if (first === undefined) return new Uint8Array(0);
    if (first.length <= most) this.#pieces.shift();
    else this.#pieces[0] = first.subarray(most);
    return first.subarray(0, most);
  }

  clear(): void {
    this.#pieces = [];
  }
}
