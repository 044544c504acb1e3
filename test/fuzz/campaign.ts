/** A numbered series of cases, each made from the seed and its number alone. */

import { Random } from '../oracle/initial-state.ts';
import { Differential } from './differential.ts';
import { HostilePc } from './hostile-pc.ts';
import { type CaseReport, HostileProcessor } from './hostile-processor.ts';
import { Twins } from './twins.ts';

/** Something that runs cases. */
interface CaseSource {
  run(random: Random): CaseReport;
}

/** Cases that share machines before these are made anew. */
export const GENERATION = 200;

/** Which machine has which share of the cases. */
const SHARES: readonly (readonly [share: number, make: (random: Random) => CaseSource])[] = [
  [5, (random) => new HostileProcessor(random)],
  [2, (random) => new HostilePc(random)],
  [3, () => new Differential()],
  [4, () => new Twins()],
];
const ALL_SHARES = SHARES.reduce((sum, [share]) => sum + share, 0);

/** Runs cases by number. Machines are used again for the cases of a generation. */
export class Campaign {
  readonly #seed: number;
  readonly #sources = new Map<number, CaseSource>();
  #generation = -1;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** @throws whatever escapes, and {@link Finding} */
  run(number: number): CaseReport {
    const generation = Math.floor(number / GENERATION);
    if (generation !== this.#generation) this.#sources.clear();
    this.#generation = generation;
    const random = new Random((this.#seed ^ Math.imul(number + 1, 0x9e3779b1)) >>> 0);
    return this.#source(random.below(ALL_SHARES)).run(random);
  }

  /** Forgets the machines, which a finding may have left in any state. */
  startOver(): void {
    this.#sources.clear();
  }

  #source(share: number): CaseSource {
    let index = 0;
    for (let left = share; left >= SHARES[index][0]; index++) left -= SHARES[index][0];
    let source = this.#sources.get(index);
    if (source === undefined) {
      source = SHARES[index][1](new Random(this.#seed ^ this.#generation));
      this.#sources.set(index, source);
    }
    return source;
  }
}
