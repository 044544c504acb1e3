/** Shortest and longest repetition that the format knows (RFC 1951 section 3.2.5), and how far back it may lie. */
const SHORTEST = 3;
const LONGEST = 258;
const WINDOW = 32768;
const HASH_BITS = 13;
const HASH_FACTOR = 0x9e3779b1;
const END_OF_BLOCK = 256;
const FIRST_LENGTH_CODE = 257;
const DISTANCE_BITS = 5;
const ZLIB_HEADER = [0x78, 0x01];
const FIXED_CODES = 0b01;

/** Code `n` stands for lengths from BASE[n] on, told apart by EXTRA[n] more bits; likewise for distances. */
const LENGTHS = codes([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5], SHORTEST);
const DISTANCES = codes(
  [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13],
  1,
);

function codes(
  extra: readonly number[],
  first: number,
): { readonly base: readonly number[]; readonly extra: readonly number[] } {
  let next = first;
  const base = extra.map((bits) => {
    next += 1 << bits;
    return next - (1 << bits);
  });
  return { base, extra };
}

/** The fixed code of each literal, end of block and length: its bits in the order of the stream, and how many. */
const FIXED = Array.from({ length: 288 }, (_, symbol): { bits: number; count: number } => {
  if (symbol < 144) return { bits: reversed(0x30 + symbol, 8), count: 8 };
  if (symbol < 256) return { bits: reversed(0x190 + symbol - 144, 9), count: 9 };
  if (symbol < 280) return { bits: reversed(symbol - 256, 7), count: 7 };
  return { bits: reversed(0xc0 + symbol - 280, 8), count: 8 };
});

function reversed(value: number, count: number): number {
  let result = 0;
  for (let i = 0; i < count; i++) result |= ((value >> i) & 1) << (count - 1 - i);
  return result;
}

/**
 * A zlib stream (RFC 1950) that is written piece by piece, each of which can be read at once. It compresses with fixed
 * codes and repetitions inside a piece, fast rather than well: CompressionStream, which does better, has no way to
 * flush.
 */
export class DeflateStream {
  #out = new Uint8Array(4096);
  #length = 0;
  #bits = 0;
  #bitCount = 0;
  #started = false;
  readonly #heads = new Int32Array(1 << HASH_BITS);

  /** Compresses the next piece. @returns a buffer of its own */
  push(bytes: Uint8Array): Uint8Array {
    this.#length = 0;
    if (!this.#started) for (const byte of ZLIB_HEADER) this.#byte(byte);
    this.#started = true;
    this.#put(FIXED_CODES << 1, 3);
    this.#compress(bytes);
    this.#symbol(END_OF_BLOCK);
    this.#flush();
    return this.#out.slice(0, this.#length);
  }

  #compress(bytes: Uint8Array): void {
    const heads = this.#heads.fill(-1);
    for (let at = 0; at < bytes.length; ) {
      const length = this.#repetition(bytes, at, heads);
      if (length < SHORTEST) this.#symbol(bytes[at]);
      at += Math.max(1, length);
    }
  }

  /** Writes what is a repetition of earlier bytes. @returns its length; less than SHORTEST for none */
  #repetition(bytes: Uint8Array, at: number, heads: Int32Array): number {
    if (at + SHORTEST > bytes.length) return 0;
    const prefix = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    const slot = Math.imul(prefix, HASH_FACTOR) >>> (32 - HASH_BITS);
    const from = heads[slot];
    heads[slot] = at;
    if (from < 0 || at - from > WINDOW) return 0;
    const most = Math.min(LONGEST, bytes.length - at);
    let length = 0;
    while (length < most && bytes[from + length] === bytes[at + length]) length++;
    if (length >= SHORTEST) this.#copy(length, at - from);
    return length;
  }

  #copy(length: number, distance: number): void {
    if (length === LONGEST) this.#symbol(FIRST_LENGTH_CODE + LENGTHS.base.length);
    else {
      const code = codeOf(LENGTHS.base, length);
      this.#symbol(FIRST_LENGTH_CODE + code);
      this.#put(length - LENGTHS.base[code], LENGTHS.extra[code]);
    }
    const code = codeOf(DISTANCES.base, distance);
    this.#put(reversed(code, DISTANCE_BITS), DISTANCE_BITS);
    this.#put(distance - DISTANCES.base[code], DISTANCES.extra[code]);
  }

  #symbol(symbol: number): void {
    const { bits, count } = FIXED[symbol];
    this.#put(bits, count);
  }

  #put(bits: number, count: number): void {
    this.#bits |= bits << this.#bitCount;
    this.#bitCount += count;
    while (this.#bitCount >= 8) {
      this.#byte(this.#bits & 0xff);
      this.#bits >>>= 8;
      this.#bitCount -= 8;
    }
  }

  /** An empty stored block, which ends at a whole byte. */
  #flush(): void {
    this.#put(0, 3);
    if (this.#bitCount > 0) this.#put(0, 8 - this.#bitCount);
    for (const byte of [0x00, 0x00, 0xff, 0xff]) this.#byte(byte);
  }

  #byte(value: number): void {
    if (this.#length === this.#out.length) {
      const larger = new Uint8Array(this.#out.length * 2);
      larger.set(this.#out);
      this.#out = larger;
    }
    this.#out[this.#length++] = value;
  }
}

/** The last code whose base is not above a value. */
function codeOf(base: readonly number[], value: number): number {
  let [low, high] = [0, base.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (base[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
