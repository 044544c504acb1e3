/**
 * Two processors with the same guest: one runs blocks of code and has to wait for pages, the other executes one
 * instruction at a time and has all pages.
 */

import type { CpuEnvironment } from '../../src/cpu/environment.ts';
import type { JitOptions, MachineMemory } from '../../src/cpu/machine-code.ts';
import { Vcpu } from '../../src/cpu/vcpu.ts';
import { PAGE_ABSENT, PAGE_BYTES, PAGE_DEVICE } from '../../src/machine/guest-memory.ts';
import type { RunExit } from '../../src/machine/interfaces.ts';
import { Random } from '../oracle/initial-state.ts';
import { expect } from './finding.ts';
import { GuestImage, PLACES } from './guest-image.ts';
import { type CaseReport, makeMemory, RAM_BYTES, TARGETS } from './hostile-processor.ts';
import { MODES, type ProcessorMode, startInMode } from './processor-modes.ts';

const RECORD_AREA = 1 << 20;
const SLICES = [1, 5, 60, 300, 1000];
const MOST_SLICES = 4;
const LIVES = 3;
/** Steps that a twin gets to end as the other has. */
const MOST_MORE = 2;
/** Ways in which a slice may end: no page is absent. */
const ENDS = new Set<RunExit['kind']>(['budget', 'halted', 'shutdown']);

/** A processor whose surroundings answer by what is asked and by the number of instructions so far. */
class Twin {
  readonly vcpu: Vcpu;
  readonly machine: MachineMemory;
  readonly ram: Uint8Array;
  /** Vector of the interrupt that waits, or -1. */
  interrupt = -1;

  /** @param jit when given, its code is translated */
  constructor(jit?: JitOptions) {
    this.machine = makeMemory(RECORD_AREA);
    this.vcpu = new Vcpu(this.machine, this.#environment(), { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9, jit });
    this.ram = new Uint8Array(this.machine.memory.buffer, this.machine.layout.ram, RAM_BYTES);
  }

  load(image: GuestImage): void {
    this.vcpu.engine.invalidateCode(0, RAM_BYTES);
    this.ram.fill(0).set(image.bytes);
  }

  /** Makes pages absent, as far as they are RAM. No code that was made from an absent page stays. */
  takeAway(pages: readonly number[]): void {
    for (const page of pages) {
      if ((this.#pageFlags[page] & PAGE_DEVICE) !== 0) continue;
      this.#pageFlags[page] |= PAGE_ABSENT;
      this.vcpu.engine.invalidateCode(page * PAGE_BYTES, PAGE_BYTES);
    }
  }

  /** Runs guest code, bringing in pages that it waits for. */
  run(instructions: number): RunExit {
    const end = this.vcpu.retired + instructions;
    for (;;) {
      const exit = this.vcpu.run(end - this.vcpu.retired);
      if (exit.kind !== 'pageIn') return exit;
      const page = Math.floor(exit.gpa / PAGE_BYTES);
      expect((this.#pageFlags[page] & PAGE_ABSENT) !== 0, () => `page ${page} was asked for though it is there`);
      this.#pageFlags[page] &= ~PAGE_ABSENT;
    }
  }

  get #pageFlags(): Uint8Array {
    const { layout, memory } = this.machine;
    return new Uint8Array(memory.buffer, layout.pageFlags, layout.pageCount);
  }

  start(mode: ProcessorMode, seed: number): void {
    this.interrupt = -1;
    this.vcpu.engine.retired = 0;
    this.vcpu.reset();
    startInMode(this.vcpu.state, mode, TARGETS.addresses, new Random(seed));
    this.vcpu.contextChanged();
  }

  /** What a guest can see, as text. */
  print(): string {
    const { vcpu } = this;
    const registers = JSON.stringify(vcpu.save().registers, (_key, value) => {
      if (typeof value === 'bigint') return value.toString(16);
      return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
    });
    return `${vcpu.retired} instructions\n${registers.replaceAll('],', '],\n').replaceAll('",', '",\n')}`;
  }

  #environment(): CpuEnvironment {
    const answer = (place: number, bytes: number) => {
      const random = new Random(Math.imul(place, 0x9e3779b1) ^ this.vcpu.retired);
      return random.next() >>> (32 - 8 * bytes);
    };
    return {
      portRead: answer,
      portWrite: (_port, _bytes, value) => {
        if (value % 64 === 1) this.vcpu.setA20Mask(value % 256 === 1 ? ~(1n << 20n) : -1n);
      },
      mmioRead: (gpa, bytes) => new Random(gpa).next() >>> (32 - 8 * bytes),
      mmioWrite: () => undefined,
      interruptPending: () => this.interrupt >= 0,
      acknowledgeInterrupt: () => {
        const vector = this.interrupt;
        this.interrupt = -1;
        return vector;
      },
      takeNmi: () => false,
      apicRead: () => 0n,
      apicWrite: () => true,
      random: () => 0n,
      nowNanos: () => BigInt(this.vcpu?.retired ?? 0),
      firstWrite: () => undefined,
    };
  }
}

/** Runs cases on twins and compares them after each slice. */
export class Twins {
  readonly #blocks = new Twin({ hotAfter: 2, cacheBytes: 1 << 20 });
  readonly #steps = new Twin();

  /** @throws {Finding} the twins differ */
  run(random: Random): CaseReport {
    const mode = random.pick(MODES);
    const image = new GuestImage({ ...mode, targets: TARGETS }, random);
    for (const twin of this.#twins) twin.load(image);
    let retired = 0;
    for (let life = 0; life < LIVES; life++) {
      const seed = random.next();
      for (const twin of this.#twins) twin.start(mode, seed);
      for (let n = 0; n < MOST_SLICES && this.#slice(random) !== 'shutdown'; n++);
      retired += this.#blocks.vcpu.retired;
    }
    return { mode: `twins, ${mode.name}`, retired, families: image.families, handlers: 0 };
  }

  get #twins(): readonly Twin[] {
    return [this.#blocks, this.#steps];
  }

  #slice(random: Random): RunExit['kind'] {
    const instructions = random.pick(SLICES);
    const interrupt = random.below(3) === 0 ? random.below(256) : -1;
    for (const twin of this.#twins) twin.interrupt = interrupt;
    const pages = PLACES.end / PAGE_BYTES;
    const all = random.below(4) === 0;
    this.#blocks.takeAway(
      Array.from({ length: all ? pages : random.below(16) }, (_, n) => (all ? n : random.below(pages))),
    );
    for (const twin of this.#twins) twin.vcpu.contextChanged();
    const exit = this.#blocks.run(instructions);
    const stepped = this.#step(this.#blocks.vcpu.retired, exit.kind);
    this.#compare('how the slice ended', exit.kind, stepped.kind);
    this.#compare('registers', this.#blocks.print(), this.#steps.print());
    this.#compareMemory();
    return exit.kind;
  }

  /** Steps until `retired` instructions, and on until it ends as the other twin has, as it should at once. */
  #step(retired: number, end: RunExit['kind']): RunExit {
    const { vcpu } = this.#steps;
    let exit: RunExit;
    let more = end === 'budget' ? 0 : MOST_MORE;
    do exit = vcpu.run(1);
    while (exit.kind === 'budget' && (vcpu.retired < retired || more-- > 0));
    expect(ENDS.has(exit.kind), () => `a step ended with ${exit.kind}`);
    return exit;
  }

  #compare(what: string, blocks: string, steps: string): void {
    if (blocks === steps) return;
    const [a, b] = [blocks.split('\n'), steps.split('\n')];
    const lines = a.flatMap((line, n) => (line === b[n] ? [] : [`in blocks: ${line}`, `in steps:  ${b[n]}`]));
    expect(false, () => `${what} differ:\n${lines.slice(0, 20).join('\n')}`);
  }

  #compareMemory(): void {
    const [a, b] = [this.#blocks.ram, this.#steps.ram];
    if (Buffer.compare(a, b) === 0) return;
    const at = a.findIndex((byte, n) => byte !== b[n]);
    expect(false, () => `memory at 0x${at.toString(16)} is ${a[at]} in blocks and ${b[at]} in steps`);
  }
}
