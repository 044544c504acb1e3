/** A whole PC: hostile code on the board, storms of port and MMIO accesses, input from outside, saves and restores. */

import type { PcBoard } from '../../src/boards/pc.ts';
import type { PcMachine } from '../../src/boards/pc-machine.ts';
import type { CharPort } from '../../src/machine/interfaces.ts';
import { makeTestMachine } from '../guests/machine.ts';
import type { Random } from '../oracle/initial-state.ts';
import { expect } from './finding.ts';
import { GuestImage, PLACES } from './guest-image.ts';
import { type CaseReport, TARGETS } from './hostile-processor.ts';
import type { Targets } from './instructions.ts';
import { MODES, startInMode } from './processor-modes.ts';

const MEMORY_BYTES = 4 << 20;
const KERNEL_GPA = 0x100000;
const SLICES = [1, 20, 500, 4000];
const MOST_SLICES = 8;
const STORM_ACCESSES = 400;
const SIZES = [1, 1, 1, 2, 4] as const;
/** `jmp $` */
const JUMP_TO_SELF = [0xeb, 0xfe];

/** The smallest multiboot kernel: a header with load addresses, and a jump to itself. */
function tinyKernel(): Uint8Array {
  const flags = 0x10000;
  const magic = 0x1badb002;
  const header = [magic, flags, -(magic + flags) >>> 0, KERNEL_GPA, KERNEL_GPA, 0, 0, KERNEL_GPA + 32];
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  for (const [n, word] of header.entries()) view.setUint32(n * 4, word, true);
  bytes.set(JUMP_TO_SELF, 32);
  return bytes;
}

/** Ports and addresses of everything that is mapped, and of what lies beside. */
function targetsOf(board: PcBoard): Targets {
  const around = ({ base, length }: { base: number; length: number }) =>
    [...Array(Math.min(length, 64)).keys()].map((n) => base + n).concat(base + length, Math.max(0, base - 1));
  const ports = board.ports.mappings.flatMap(around).map((port) => port & 0xffff);
  const addresses = [0, 0x10, 0x20, 0x80, 0xb0, 0xf0, 0x300, 0x310, 0x320, 0x380, 0x3e0].map((at) => 0xfee00000 + at);
  return {
    ...TARGETS,
    ports: [...TARGETS.ports, ...ports],
    addresses: [...TARGETS.addresses, ...addresses, 0xfec00000, 0xfec00010],
  };
}

/** Runs hostile cases on one PC, one after the other. */
export class HostilePc {
  readonly #pc: PcMachine;
  readonly #targets: Targets;
  readonly #input: ((byte: number) => void)[] = [];
  #random: Random;

  constructor(random: Random) {
    this.#random = random;
    const serial = [0, 1].map(
      (): CharPort => ({
        send: () => undefined,
        onByte: (receive) => void this.#input.push(receive),
      }),
    );
    const { machine } = makeTestMachine({
      memoryBytes: MEMORY_BYTES,
      startEpochMs: random.below(2) === 0 ? 0 : Date.UTC(2026, 1, 28),
      seed: random.next64(),
      serial,
      debugExitPort: 0xf4,
      boot: { kernel: tinyKernel(), commandLine: 'fuzz' },
    });
    this.#pc = machine;
    this.#targets = targetsOf(this.#pc.board);
  }

  /** @throws whatever escapes from the machine, and {@link Finding} */
  run(random: Random): CaseReport {
    this.#random = random;
    const pc = this.#pc;
    pc.reset();
    const mode = random.pick(MODES);
    const image = new GuestImage({ ...mode, targets: this.#targets }, random);
    pc.ram.forWrite(0, PLACES.end).set(image.bytes);
    startInMode(pc.vcpu.state, mode, this.#targets.addresses, random);
    pc.vcpu.contextChanged();
    const start = pc.vcpu.retired;
    for (let n = 0; n < MOST_SLICES && pc.run(random.pick(SLICES)).kind !== 'shutdown'; n++) this.#disturb();
    const { count } = pc.vcpu.engine.handlers;
    return { mode: `PC, ${mode.name}`, retired: pc.vcpu.retired - start, families: image.families, handlers: count };
  }

  #disturb(): void {
    const kind = this.#random.below(8);
    if (kind < 2) this.#stormPorts();
    else if (kind === 2) this.#stormMmio();
    else if (kind === 3) this.#outside();
    else if (kind === 4) this.#saveAndRestore();
    else if (kind === 5) this.#skipTime();
  }

  #stormPorts(): void {
    const random = this.#random;
    const [processor] = this.#pc.board.processors;
    for (let n = random.below(STORM_ACCESSES); n > 0; n--) {
      const port = random.below(16) === 0 ? random.below(0x10000) : random.pick(this.#targets.ports);
      const size = random.pick(SIZES);
      if (random.below(3) !== 0) processor.portWrite(port, size, this.#value());
      else this.#checkRead(processor.portRead(port, size), size, `port 0x${port.toString(16)}`);
    }
  }

  #stormMmio(): void {
    const random = this.#random;
    const { mmio, processors } = this.#pc.board;
    const [processor] = processors;
    for (let n = random.below(STORM_ACCESSES); n > 0; n--) {
      const { base, length } = random.pick(mmio.mappings);
      const wild = random.below(16) === 0;
      const gpa = wild ? random.next() * random.below(1 << 19) : base + random.below(Math.min(length, 0x1000));
      const size = random.pick(SIZES);
      if (random.below(3) !== 0) processor.mmioWrite(gpa, size, this.#value());
      else this.#checkRead(processor.mmioRead(gpa, size), size, `address 0x${gpa.toString(16)}`);
    }
  }

  #checkRead(value: number, size: number, place: string): void {
    const valid = Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size);
    expect(valid, () => `${place} read as ${value}, which is no unsigned number of ${size} bytes`);
  }

  #value(): number {
    const random = this.#random;
    return random.pick([random.next(), random.below(256), 0, 0xffffffff, 1 << random.below(31)]) >>> 0;
  }

  /** Bytes on the serial lines, keys and the power button. */
  #outside(): void {
    const random = this.#random;
    for (const receive of this.#input) for (let n = random.below(20); n > 0; n--) receive(random.below(256));
    this.#pc.board.powerButton.set(random.below(2) === 0);
  }

  /** What is restored is what was saved. */
  #saveAndRestore(): void {
    const pc = this.#pc;
    pc.clock.fireDue();
    const saved = pc.save();
    pc.restore(saved);
    const [before, after] = [print(saved), print(pc.save())];
    expect(before === after, () => `a restored machine differs from what was saved: ${difference(before, after)}`);
  }

  #skipTime(): void {
    const { clock } = this.#pc;
    clock.skipTo(clock.nowNanos() + BigInt(this.#random.next()));
  }
}

function print(state: unknown): string {
  return JSON.stringify(state, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value));
}

function difference(before: string, after: string): string {
  let at = 0;
  while (before[at] === after[at]) at++;
  const from = Math.max(0, at - 80);
  return `…${before.slice(from, at + 40)}… became …${after.slice(from, at + 40)}…`;
}
