/** A processor alone, in an environment that answers at random, with little room for decoded code. */

import type { CpuEnvironment } from '../../src/cpu/environment.ts';
import type { MachineMemory } from '../../src/cpu/machine-code.ts';
import { layOutMemory } from '../../src/cpu/memory-layout.ts';
import { Vcpu } from '../../src/cpu/vcpu.ts';
import {
  PAGE_ABSENT,
  PAGE_BYTES,
  PAGE_DEVICE,
  PAGE_READ_ONLY,
  PAGE_SCREEN,
  PAGE_TRACKED,
} from '../../src/machine/guest-memory.ts';
import type { RunExit } from '../../src/machine/interfaces.ts';
import type { Random } from '../oracle/initial-state.ts';
import { expect } from './finding.ts';
import { GuestImage, PLACES, SELECTOR } from './guest-image.ts';
import type { Targets } from './instructions.ts';
import { checkInvariants } from './invariants.ts';
import { MODES, type ProcessorMode, startInMode } from './processor-modes.ts';

/** What a case has done. */
export interface CaseReport {
  readonly mode: string;
  /** Instructions retired. */
  readonly retired: number;
  /** Pieces of code made, by family. */
  readonly families: ReadonlyMap<string, number>;
  /** Handlers that the processor has compiled so far. */
  readonly handlers: number;
}

export const RAM_BYTES = 2 << 20;
const REGIONS = [
  { gpa: 0, length: 0xa0000, hostOffset: 0 },
  { gpa: 0xc0000, length: RAM_BYTES - 0xc0000, hostOffset: 0xc0000 },
];
/** RAM above 4 GiB, as large machines have it. */
const HIGH_REGION = { gpa: 2 ** 32, length: 1 << 20, hostOffset: RAM_BYTES };
/** Room for some 2,000 instructions, so that the code cache is flushed often. */
const RECORD_AREA = 64 << 10;
const SLICES = [1, 2, 7, 100, 1000, 3000];
const MOST_SLICES = 8;
/** Times that a case starts anew with what is left of its memory. */
const LIVES = 6;
const ROM_PAGE = 0xc0000 / PAGE_BYTES;

/** Addresses at which something else than plain RAM begins or ends, and those of tables. */
export const TARGETS: Targets = {
  ports: [0, 1, 0x20, 0x60, 0x92, 0x3f8, 0xcf8, 0xfffc, 0xffff],
  addresses: [
    ...[PLACES.code, PLACES.code + 0x1000, PLACES.idt, PLACES.gdt, PLACES.tss, PLACES.tables, PLACES.data],
    ...[0xa0000 - 4, 0xa0000, 0xc0000, RAM_BYTES - 4, RAM_BYTES, 0xfee00000, 0xfffffff0, 0xffff, 0x7fffffff],
    ...[2 ** 32 - 4, 2 ** 32, 2 ** 32 + 0x1000, 2 ** 32 + (1 << 20)],
  ],
  selectors: [...Object.values(SELECTOR), 0, 3, 4, 0x0c, 0x14, 0x24, 0x7c, 0xfff8, 0xffff],
};

/** Memory of a small machine. @param recordBytes room for decoded code @param high RAM above 4 GiB too, by 64-bit addresses */
export function makeMemory(recordBytes: number, high = false): MachineMemory {
  const layout = layOutMemory(high ? [...REGIONS, HIGH_REGION] : REGIONS, recordBytes);
  const pages = layout.wasmPages;
  const memory = new WebAssembly.Memory(
    high
      ? { initial: BigInt(pages), maximum: BigInt(pages), address: 'i64' }
      : { initial: pages, maximum: pages, shared: false },
  );
  return { memory, layout, shared: false, memory64: high, maximumPages: pages };
}

/** Runs hostile cases on one processor, one after the other. */
export class HostileProcessor {
  readonly #machine: MachineMemory;
  readonly #vcpu: Vcpu;
  readonly #pageFlags: Uint8Array;
  readonly #plainFlags: Uint8Array;
  #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.#machine = makeMemory(RECORD_AREA, random.below(4) === 0);
    const { layout, memory } = this.#machine;
    this.#vcpu = new Vcpu(this.#machine, this.#environment(), { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9 });
    this.#pageFlags = new Uint8Array(memory.buffer, layout.pageFlags, layout.pageCount);
    this.#plainFlags = this.#pageFlags.slice();
  }

  /** @throws whatever escapes from the processor, and {@link Finding} */
  run(random: Random): CaseReport {
    this.#random = random;
    const mode = random.pick(MODES);
    const image = new GuestImage({ ...mode, targets: TARGETS }, random);
    this.#load(image);
    const start = this.#vcpu.retired;
    for (let life = 0; life < LIVES; life++) this.#live(mode);
    checkInvariants(this.#vcpu, this.#machine);
    const { retired, engine } = this.#vcpu;
    return { mode: mode.name, retired: retired - start, families: image.families, handlers: engine.handlers.count };
  }

  /** From a reset to a shutdown. */
  #live(mode: ProcessorMode): void {
    const random = this.#random;
    const vcpu = this.#vcpu;
    vcpu.reset();
    vcpu.setA20Mask(random.below(8) === 0 ? ~(1n << 20n) : -1n);
    startInMode(vcpu.state, mode, TARGETS.addresses, random);
    vcpu.contextChanged();
    for (let n = 0; n < MOST_SLICES && this.#slice(random.pick(SLICES)).kind !== 'shutdown'; n++);
  }

  #slice(instructions: number): RunExit {
    const vcpu = this.#vcpu;
    const before = vcpu.retired;
    const exit = vcpu.run(instructions);
    const after = vcpu.retired;
    const counted = after >= before && after <= before + instructions;
    expect(counted, () => `${after - before} instructions were counted where at most ${instructions} could run`);
    if (exit.kind === 'pageIn') {
      const page = Math.floor(exit.gpa / PAGE_BYTES);
      expect((this.#pageFlags[page] & PAGE_ABSENT) !== 0, () => `page ${page} was asked for though it is there`);
      this.#pageFlags[page] &= ~PAGE_ABSENT;
    }
    return exit;
  }

  #load(image: GuestImage): void {
    const { layout, memory } = this.#machine;
    this.#vcpu.engine.invalidateCode(0, RAM_BYTES);
    new Uint8Array(memory.buffer, layout.ram, RAM_BYTES).fill(this.#random.below(256)).set(image.bytes);
    this.#flagPages();
  }

  /** Some pages are absent, tracked, shown on the screen, or ROM. */
  #flagPages(): void {
    const random = this.#random;
    this.#pageFlags.set(this.#plainFlags);
    for (let page = ROM_PAGE; page < ROM_PAGE + 16; page++) this.#pageFlags[page] |= PAGE_READ_ONLY;
    if (random.below(2) === 0) return;
    for (let n = random.below(24); n > 0; n--) {
      const page = random.below(PLACES.end / PAGE_BYTES);
      const flag = random.pick([PAGE_ABSENT, PAGE_TRACKED, PAGE_SCREEN, PAGE_READ_ONLY]);
      if ((this.#pageFlags[page] & PAGE_DEVICE) === 0) this.#pageFlags[page] |= flag;
    }
  }

  #environment(): CpuEnvironment {
    const bits = (bytes: number) => this.#random.next() >>> (32 - 8 * bytes);
    return {
      portRead: (_port, bytes) => this.#touched(bits(bytes)),
      portWrite: () => this.#touched(undefined),
      mmioRead: (_gpa, bytes) => this.#touched(bits(bytes)),
      mmioWrite: () => this.#touched(undefined),
      interruptPending: () => this.#random.below(64) === 0,
      acknowledgeInterrupt: () => this.#random.below(257) - 1,
      takeNmi: () => this.#random.below(256) === 0,
      apicRead: (msr) => (msr >= 2 ** 32 || this.#random.below(2) === 0 ? 0n : undefined),
      apicWrite: () => this.#random.below(2) === 0,
      random: () => this.#random.next64(),
      nowNanos: () => BigInt(this.#vcpu?.retired ?? 0),
      firstWrite: () => undefined,
    };
  }

  /** A device was touched: now and then it wants attention or moves the A20 gate. */
  #touched<T>(value: T): T {
    const kind = this.#random.below(64);
    if (kind === 0) this.#vcpu.requestStop();
    else if (kind === 1) this.#vcpu.requestEnd();
    else if (kind === 2) this.#vcpu.setA20Mask(this.#random.below(4) === 0 ? ~(1n << 20n) : -1n);
    return value;
  }
}
