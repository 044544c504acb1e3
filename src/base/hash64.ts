const FIRST_SEED = 0x9e3779b9;
const SECOND_SEED = 0x85ebca6b;
const FIRST_FACTOR = 0xcc9e2d51;
const SECOND_FACTOR = 0x1b873593;
/** What is hashed in one call: the host's compiler replaces a function that is called again sooner than one that loops on. */
const BLOCK_WORDS = 16384;

/** A quick 64-bit hash of bytes: finds accidents, not malice. Equal on every host. */
export class Hash64 {
  #first = FIRST_SEED;
  #second = SECOND_SEED;
  #length = 0;

  /** Adds bytes, padded with zeros to whole 32-bit words; their number counts too. */
  add(bytes: Uint8Array): this {
    const whole = bytes.length & ~3;
    if (bytes.byteOffset % 4 === 0) this.#addWords(new Int32Array(bytes.buffer, bytes.byteOffset, whole / 4));
    else this.#addWords(new Int32Array(new Uint8Array(bytes.subarray(0, whole)).buffer));
    if (whole < bytes.length) {
      const rest = new Uint8Array(4);
      rest.set(bytes.subarray(whole));
      this.#addWords(new Int32Array(rest.buffer));
    }
    this.#length += bytes.length;
    this.#addWords(Int32Array.of(bytes.length));
    return this;
  }

  addText(text: string): this {
    return this.add(new TextEncoder().encode(text));
  }

  /** The hash of all that has been added: 64 bits, unsigned. */
  get value(): bigint {
    const low = finish(this.#first ^ this.#length);
    const high = finish(this.#second + low);
    return (BigInt(high) << 32n) | BigInt(low);
  }

  #addWords(words: Int32Array): void {
    for (let from = 0; from < words.length; from += BLOCK_WORDS) {
      this.#addBlock(words, from, Math.min(words.length, from + BLOCK_WORDS));
    }
  }

  /** Signed words are integers for the host's compiler, whatever their value; the hash is the same. */
  #addBlock(words: Int32Array, from: number, to: number): void {
    let [first, second] = [this.#first | 0, this.#second | 0];
    for (let i = from; i < to; i++) {
      first = Math.imul(first ^ words[i], FIRST_FACTOR);
      first = (first << 13) | (first >>> 19);
      second = Math.imul((second + words[i]) | 0, SECOND_FACTOR) ^ (second >>> 15);
    }
    this.#first = first;
    this.#second = second;
  }
}

function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), FIRST_SEED);
  mixed = Math.imul(mixed ^ (mixed >>> 13), SECOND_SEED);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
