// LZMA specification, "Range Decoder". Range and code are unsigned words of 32 bits that are kept as signed ones:
// those are integers for the host's compiler, whatever their value.

/** A probability is that of a 0, in parts of 2^11; each bit that is decoded moves it by 1/32 of the way. */
const EVEN = 1 << 10;
const WHOLE = 1 << 11;
const WHOLE_BITS = 11;
const MOVE_BITS = 5;
/** What the encoder leaves at the start: a zero byte, then the first word of the code. */
const START_BYTES = 5;
/** More than what may be read behind the end before anyone asks: a byte for each bit of a match, fewer than 50. */
const SLACK_BYTES = 64;

/** Decodes the bits of one packed piece after the other with probabilities that learn from them. Reading goes on
 * behind the end of a piece without an error: who decodes asks {@link RangeDecoder.overran} before each literal or match.
 *
 * The step that decodes a bit stands in four methods, for each to have range and code in local variables. */
export class RangeDecoder {
  readonly #chances: Uint16Array;
  readonly #packed: Uint8Array;
  #at = 0;
  #end = 0;
  #range = 0;
  #code = 0;

  /** @param models how many probabilities there are  @param mostBytes of a piece */
  constructor(models: number, mostBytes: number) {
    this.#chances = new Uint16Array(models);
    this.#packed = new Uint8Array(mostBytes + SLACK_BYTES);
  }

  /** Forgets what was learned. */
  reset(): void {
    this.#chances.fill(EVEN);
  }

  /** Begins with a piece. @returns false when it does not begin as one */
  start(packed: Uint8Array): boolean {
    if (packed.length < START_BYTES || packed[0] !== 0) return false;
    this.#packed.set(packed);
    this.#end = packed.length;
    this.#at = START_BYTES;
    this.#range = -1;
    this.#code = (packed[1] << 24) | (packed[2] << 16) | (packed[3] << 8) | packed[4];
    return true;
  }

  /** Whether more bytes were read than the piece has. */
  get overran(): boolean {
    return this.#at > this.#end;
  }

  /** Whether all of the piece was read and the code is used up, as an encoder leaves it. */
  finish(): boolean {
    this.direct(0);
    return this.#at === this.#end && this.#code === 0;
  }

  /** One bit, by the probability at `model`. */
  bit(model: number): number {
    let range = this.#range;
    let code = this.#code;
    if (range >>> 24 === 0) {
      range <<= 8;
      code = (code << 8) | this.#packed[this.#at++];
    }
    const chance = this.#chances[model];
    const bound = Math.imul(range >>> WHOLE_BITS, chance);
    if (code >>> 0 < bound >>> 0) {
      this.#chances[model] = chance + ((WHOLE - chance) >> MOVE_BITS);
      this.#range = bound;
      this.#code = code;
      return 0;
    }
    this.#chances[model] = chance - (chance >> MOVE_BITS);
    this.#range = (range - bound) | 0;
    this.#code = (code - bound) | 0;
    return 1;
  }

  /** A number of `bits` bits, the highest first, by a tree of probabilities at `model`, whose first is unused. */
  tree(model: number, bits: number): number {
    const chances = this.#chances;
    const packed = this.#packed;
    const limit = 1 << bits;
    let at = this.#at;
    let range = this.#range;
    let code = this.#code;
    let node = 1;
    while (node < limit) {
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | packed[at++];
      }
      const chance = chances[model + node];
      const bound = Math.imul(range >>> WHOLE_BITS, chance);
      if (code >>> 0 < bound >>> 0) {
        chances[model + node] = chance + ((WHOLE - chance) >> MOVE_BITS);
        range = bound;
        node <<= 1;
      } else {
        chances[model + node] = chance - (chance >> MOVE_BITS);
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        node = (node << 1) | 1;
      }
    }
    this.#at = at;
    this.#range = range;
    this.#code = code;
    return node - limit;
  }

  /** As {@link RangeDecoder.tree}, but the lowest bit first. */
  reverseTree(model: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let place = 0; place < bits; place++) {
      const bit = this.bit(model + node);
      node = (node << 1) | bit;
      value |= bit << place;
    }
    return value;
  }

  /** A byte that likely is another one than `expected`, by three trees of 256 probabilities one behind the other: as
   * long as it has the bits of `expected`, the next bit of that tells which of the second and third one is meant, and
   * then it is the first ("Literal decoding"). */
  expectedByte(model: number, expected: number): number {
    const chances = this.#chances;
    const packed = this.#packed;
    let at = this.#at;
    let range = this.#range;
    let code = this.#code;
    let node = 1;
    let bits = expected;
    let same = 0x100;
    while (node < 0x100) {
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | packed[at++];
      }
      bits <<= 1;
      const wanted = bits & same;
      const index = model + same + wanted + node;
      const chance = chances[index];
      const bound = Math.imul(range >>> WHOLE_BITS, chance);
      if (code >>> 0 < bound >>> 0) {
        chances[index] = chance + ((WHOLE - chance) >> MOVE_BITS);
        range = bound;
        node <<= 1;
        same ^= wanted;
      } else {
        chances[index] = chance - (chance >> MOVE_BITS);
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        node = (node << 1) | 1;
        same = wanted;
      }
    }
    this.#at = at;
    this.#range = range;
    this.#code = code;
    return node - 0x100;
  }

  /** A number of `bits` bits, the highest first, each as likely 0 as 1. */
  direct(bits: number): number {
    let at = this.#at;
    let range = this.#range;
    let code = this.#code;
    let value = 0;
    for (let left = bits; ; left--) {
      if (range >>> 24 === 0) {
        range <<= 8;
        code = (code << 8) | this.#packed[at++];
      }
      if (left === 0) break;
      range >>>= 1;
      code = (code - range) | 0;
      const below = code >> 31;
      code = (code + (range & below)) | 0;
      value = (value << 1) + 1 + below;
    }
    this.#at = at;
    this.#range = range;
    this.#code = code;
    return value;
  }
}
