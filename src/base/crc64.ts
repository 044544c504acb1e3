/** The polynomial of ECMA-182, its lowest bit first. Words of 64 bits are two halves here: BigInts are slow. */
const POLYNOMIAL_LOW = 0xd7870f42 | 0;
const POLYNOMIAL_HIGH = 0xc96c5795 | 0;
/** What one call adds: the host's compiler replaces a function that is called again sooner than one that loops on. */
const BLOCK_BYTES = 1 << 13;

/** What each byte does to the CRC when it is the last one, and when 1 to 3 more bytes follow it. */
const [LOW, HIGH] = lastByte();
const [LOW_1, HIGH_1] = oneByteOn(LOW, HIGH);
const [LOW_2, HIGH_2] = oneByteOn(LOW_1, HIGH_1);
const [LOW_3, HIGH_3] = oneByteOn(LOW_2, HIGH_2);

function lastByte(): readonly [low: Int32Array, high: Int32Array] {
  const halves = [new Int32Array(256), new Int32Array(256)] as const;
  for (let byte = 0; byte < 256; byte++) {
    let [low, high] = [byte, 0];
    for (let bit = 0; bit < 8; bit++) {
      const carry = -(low & 1);
      low = ((low >>> 1) | (high << 31)) ^ (carry & POLYNOMIAL_LOW);
      high = (high >>> 1) ^ (carry & POLYNOMIAL_HIGH);
    }
    halves[0][byte] = low;
    halves[1][byte] = high;
  }
  return halves;
}

function oneByteOn(lows: Int32Array, highs: Int32Array): readonly [low: Int32Array, high: Int32Array] {
  return [
    lows.map((low, byte) => LOW[low & 0xff] ^ (low >>> 8) ^ (highs[byte] << 24)),
    highs.map((high, byte) => HIGH[lows[byte] & 0xff] ^ (high >>> 8)),
  ];
}

/** The CRC-64 of .xz files (the .xz file format, section 6), of bytes that come piece by piece. */
export class Crc64 {
  #low = ~0;
  #high = ~0;

  add(bytes: Uint8Array): this {
    const whole = bytes.length - (bytes.length % 4);
    const words = new DataView(bytes.buffer, bytes.byteOffset, whole);
    for (let from = 0; from < whole; from += BLOCK_BYTES)
      this.#addWords(words, from, Math.min(whole, from + BLOCK_BYTES));
    for (let at = whole; at < bytes.length; at++) {
      const index = (this.#low ^ bytes[at]) & 0xff;
      this.#low = LOW[index] ^ (this.#low >>> 8) ^ (this.#high << 24);
      this.#high = HIGH[index] ^ (this.#high >>> 8);
    }
    return this;
  }

  /** That of all bytes that were added, unsigned. */
  get value(): bigint {
    return BigInt.asUintN(64, ~((BigInt(this.#high) << 32n) | BigInt(this.#low >>> 0)));
  }

  /** Four bytes at a time: what each does to the CRC does not depend on the others. */
  #addWords(words: DataView, from: number, to: number): void {
    let [low, high] = [this.#low, this.#high];
    for (let at = from; at < to; at += 4) {
      const word = low ^ words.getInt32(at, true);
      const first = word & 0xff;
      const second = (word >>> 8) & 0xff;
      const third = (word >>> 16) & 0xff;
      const fourth = word >>> 24;
      low = high ^ LOW_3[first] ^ LOW_2[second] ^ LOW_1[third] ^ LOW[fourth];
      high = HIGH_3[first] ^ HIGH_2[second] ^ HIGH_1[third] ^ HIGH[fourth];
    }
    this.#low = low;
    this.#high = high;
  }
}
