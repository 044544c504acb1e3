import type { PcMachine } from '../../src/boards/pc-machine.ts';
import type { RegionExit } from '../../src/cpu/jit/probe.ts';
import { STATE } from '../../src/isa/registers.ts';
import { PAGE_BYTES } from '../../src/machine/guest-memory.ts';
import { makeTestMachine, runTo, type TestMachine } from '../guests/machine.ts';
import { describeRegister, flipBit, StateComparison } from './registers.ts';

/** The guest that both machines run. */
export type LockStepGuest = Omit<Parameters<typeof makeTestMachine>[0], 'jit'>;

/** A bit that is turned over in the translating machine, to see that it is found. */
export interface InjectedError {
  /** Where: from the first exit on that has as many instructions behind it. */
  readonly at: number;
  /** The name of a register, or `memory`. */
  readonly where: string;
}

/** The engines have come apart. */
export class Difference extends Error {}

/** How often memory is compared: instructions. */
const MEMORY_INTERVAL = 1_000_000;
const MOST_PAGES_NAMED = 8;

/**
 * Two machines with the same guest under the virtual clock: one translates hot code, the other interprets all of it.
 * Wherever the first leaves a translated region the second is brought to the same instruction, and their registers are
 * compared; every million instructions, their memories.
 */
export class LockStep {
  /** Exits of regions so far. */
  exits = 0;
  readonly #translating: TestMachine;
  readonly #interpreting: TestMachine;
  readonly #comparison: StateComparison;
  #error: InjectedError | undefined;

  /** @param hotAfter entries after which code is translated */
  constructor(guest: LockStepGuest, hotAfter: number, error?: InjectedError) {
    // Regions are joined as well, in the little time that there is.
    const joinAfter = 10 * hotAfter + 10;
    const jit = { hotAfter, joinAfter, onRegionLeft: (exit: RegionExit) => this.#regionLeft(exit) };
    this.#translating = makeTestMachine({ ...guest, jit });
    this.#interpreting = makeTestMachine(guest);
    this.#comparison = new StateComparison(this.translating.vcpu.state, this.interpreting.vcpu.state);
    this.#error = error;
  }

  get translating(): PcMachine {
    return this.#translating.machine;
  }

  get interpreting(): PcMachine {
    return this.#interpreting.machine;
  }

  /** What the guest has written to its serial line. */
  get output(): string {
    return this.#translating.serial.output;
  }

  /** Runs both to an instruction count. @throws {Difference} */
  runTo(count: number): void {
    const { translating } = this;
    while (translating.vcpu.retired < count) {
      const { retired } = translating.vcpu;
      runTo(translating, Math.min(count, retired + MEMORY_INTERVAL - (retired % MEMORY_INTERVAL)));
      this.#compareRegisters({ retired: translating.vcpu.retired, rip: translating.vcpu.state.u64(STATE.rip) });
      this.#compareMemories();
    }
  }

  #regionLeft(exit: RegionExit): void {
    this.exits++;
    if (this.#error !== undefined && exit.retired >= this.#error.at) this.#inject(this.#error);
    this.#compareRegisters(exit);
  }

  #compareRegisters({ retired, rip }: RegionExit): void {
    const { translating, interpreting } = this;
    runTo(interpreting, retired);
    const found = this.#comparison.differences();
    const otherRip = interpreting.vcpu.state.u64(STATE.rip);
    if (found.length === 0 && rip === otherRip) return;
    const lines = found.map((name) => {
      const [translated, interpreted] = [translating, interpreting].map(({ vcpu }) =>
        describeRegister(vcpu.state, name),
      );
      return `${name}: translated ${translated}, interpreted ${interpreted}`;
    });
    if (rip !== otherRip) lines.push(`rip: translated 0x${rip.toString(16)}, interpreted 0x${otherRip.toString(16)}`);
    throw new Difference(`after ${retired} instructions, ${interpreting.vcpu.describe()}\n${lines.join('\n')}`);
  }

  #compareMemories(): void {
    const { translating, interpreting } = this;
    for (const { gpa, length } of translating.ram.regions) {
      const [left, right] = [translating, interpreting].map(({ ram }) => ram.forRead(gpa, length));
      if (Buffer.compare(left, right) === 0) continue;
      const pages = differentPages(left, right).map((page) => `0x${(gpa + page).toString(16)}`);
      const more = pages.length > MOST_PAGES_NAMED ? ` and ${pages.length - MOST_PAGES_NAMED} more` : '';
      const named = pages.slice(0, MOST_PAGES_NAMED).join(', ');
      throw new Difference(`after ${translating.vcpu.retired} instructions the pages at ${named}${more} differ`);
    }
  }

  #inject({ where }: InjectedError): void {
    this.#error = undefined;
    const { vcpu, ram } = this.translating;
    if (where === 'memory') ram.forWrite(0, 1)[0] ^= 1;
    else flipBit(vcpu.state, where);
  }
}

function differentPages(left: Uint8Array, right: Uint8Array): number[] {
  const pages: number[] = [];
  for (let at = 0; at < left.length; at += PAGE_BYTES) {
    const page = (bytes: Uint8Array) => bytes.subarray(at, at + PAGE_BYTES);
    if (Buffer.compare(page(left), page(right)) !== 0) pages.push(at);
  }
  return pages;
}
