/** A deterministic source of operands that lie, more often than chance, where arithmetic is hard. */
export class OperandSource {
  #state: bigint;

  constructor(seed: number) {
    this.#state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  }

  /** 64 random bits (splitmix64). */
  bits(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let z = this.#state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  /** A number from 0 to `count` - 1. */
  below(count: number): number {
    return Number(this.bits() >> 11n) % count;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  /** A fraction of `width` bits: random, all zeros or ones with a few bits changed, or few significant bits. */
  fraction(width: number): bigint {
    const mask = (1n << BigInt(width)) - 1n;
    const random = this.bits() & mask;
    switch (this.below(6)) {
      case 0:
        return 0n;
      case 1:
        return mask ^ (1n << BigInt(this.below(width)));
      case 2:
        return 1n << BigInt(this.below(width));
      case 3:
        return (random << BigInt(this.below(width))) & mask;
      case 4:
        return mask & ~((1n << BigInt(this.below(width))) - 1n);
      default:
        return random;
    }
  }

  /** A biased exponent of `width` bits: around one, at the ends, or any. */
  exponent(width: number): bigint {
    const bias = (1 << (width - 1)) - 1;
    const ends = [0, 0, 1, 2, 2 * bias, 2 * bias + 1, 2 * bias - 1, bias / 2, bias + bias / 2];
    switch (this.below(4)) {
      case 0:
        return BigInt(Math.floor(this.pick(ends)));
      case 1:
        return BigInt(this.below(2 * bias + 2));
      default:
        return BigInt(Math.max(0, Math.min(2 * bias + 1, bias - 70 + this.below(140))));
    }
  }

  /** A 32-bit or 64-bit number. */
  narrow(exponentBits: number, fractionBits: number): bigint {
    const sign = this.bits() & 1n;
    return (
      (sign << BigInt(exponentBits + fractionBits)) |
      (this.exponent(exponentBits) << BigInt(fractionBits)) |
      this.fraction(fractionBits)
    );
  }

  /** An 80-bit number; one in 32 has an integer bit that does not fit its exponent. */
  extended(): bigint {
    const exponent = this.exponent(15);
    const odd = this.below(32) === 0 ? 1n : 0n;
    const integer = (exponent === 0n ? 0n : 1n) ^ odd;
    const sign = this.bits() & 1n;
    return (sign << 79n) | (exponent << 64n) | (integer << 63n) | this.fraction(63);
  }
}
