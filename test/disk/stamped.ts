import { randomNumbers } from '../../src/disk/block-device.case.ts';
import type { Disk } from '../../src/disk/interfaces.ts';

/** One request: `kind` 0 is a discard, 1 a write of zeros, others write the step's number into every sector. */
export interface Step {
  readonly kind: number;
  readonly first: number;
  readonly count: number;
}

/** How many steps there are between two flushes. */
export const STEPS_PER_FLUSH = 7;

/** A repeatable endless list of requests for a disk of this many sectors. */
export function makeSteps(seed: number, sectors: number): () => Step {
  const below = randomNumbers(seed);
  return () => {
    const count = 1 + below(below(3) === 0 ? 400 : 12);
    return { kind: below(12), first: below(sectors - count), count };
  };
}

/** Does one step, whose number counts from 1. */
export function doStep(disk: Disk, { kind, first, count }: Step, number: number): Promise<void> {
  if (kind === 0) return disk.discard(first * 512, count * 512);
  if (kind === 1) return disk.writeZeros(first * 512, count * 512);
  const bytes = new Uint32Array(count * 128).fill(number);
  return disk.write(first * 512, new Uint8Array(bytes.buffer));
}

/** What each sector of a disk may hold after a crash. */
export class StampedModel {
  readonly #sectors: number;
  readonly #next: () => Step;
  readonly #history: { readonly step: Step; readonly number: number }[] = [];

  constructor(seed: number, sectors: number) {
    this.#sectors = sectors;
    this.#next = makeSteps(seed, sectors);
  }

  /** Lists what is lost or made up: everything up to step `flushed` must be there, of later ones up to `last` any.
   * @param disk the disk's content after the crash */
  findWrong(disk: Uint8Array<ArrayBuffer>, flushed: number, last: number): string[] {
    while (this.#history.length < last) this.#history.push({ step: this.#next(), number: this.#history.length + 1 });
    const allowed = Array.from({ length: this.#sectors }, () => [0]);
    for (const { step, number } of this.#history.slice(0, last)) {
      for (let sector = step.first; sector < step.first + step.count; sector++) {
        const before = allowed[sector] ?? [];
        const values = step.kind === 1 ? [0] : step.kind === 0 ? [...before, 0] : [number];
        allowed[sector] = number <= flushed ? values : [...before, ...values];
      }
    }
    const words = new Uint32Array(disk.buffer);
    return allowed.flatMap((values, sector) => {
      const found = words.subarray(sector * 128, sector * 128 + 128);
      const whole = found.every((word) => word === found[0]);
      return whole && values.includes(found[0])
        ? []
        : [`sector ${sector} has ${found[0]}, expected ${values.join(' or ')}`];
    });
  }
}

/** All bytes of a disk. */
export async function readAll(disk: Disk): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(disk.sizeBytes);
  await disk.read(0, all);
  return all;
}
