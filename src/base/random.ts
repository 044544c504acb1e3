const MASK = 0xffff_ffff_ffff_ffffn;

/** A repeatable source of random numbers: SplitMix64 (Steele, Lea and Flood, 2014). Not for secrets. */
export class SplitMix64 {
  #state: bigint;

  /** @param seed 64 bits */
  constructor(seed: bigint) {
    this.#state = seed & MASK;
  }

  /** The next 64 bits. */
  next(): bigint {
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & MASK;
    let z = this.#state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  }

  /** All there is to save. */
  get state(): bigint {
    return this.#state;
  }
  set state(value: bigint) {
    this.#state = value & MASK;
  }
}
