import { canonicalText } from '../../src/base/canonical-text.ts';
import { SplitMix64 } from '../../src/base/random.ts';
import { MmioBus, PortBus } from '../../src/machine/bus.ts';
import { PAGE_ABSENT, PAGE_BYTES, RamMemory } from '../../src/machine/guest-memory.ts';
import { HostWork } from '../../src/machine/host-work.ts';
import { PageAbsent } from '../../src/machine/interfaces.ts';
import { ManualClock } from '../../src/machine/manual-clock.ts';
import type { PciFunction } from '../../src/machine/pci.ts';
import { type PciSlot, windowsOn } from '../../src/machine/pci-slot.ts';
import { TestNet } from '../../src/machine/test-net.case.ts';

const RAM_BYTES = 1 << 20;
/** What lies on both sides of guest memory, to be found unchanged. */
const CANARY = 0xa5;
const CANARY_BYTES = 1 << 16;
const BARS = 6;
const PORTS = 0xc000;
const MEMORY = 0xe0000000;
/** A step that takes longer, of the processor's time, hangs a machine. */
const LONGEST_STEP_MILLIS = 2000;
/** A saved state that is larger is not bounded by anything sensible. */
const MOST_STATE_CHARACTERS = 100 << 20;
const SETTLE_STEPS = 64;
const SAVE_STEPS = 20_000;
const MOST_NANOS = 3_000_000;

/** What a device of a kind needs to be fuzzed well. */
export interface HostileSubject {
  readonly name: string;
  /** Makes the device in a slot with a network, whose frames the fuzzer sends. */
  make(slot: PciSlot, net: TestNet): PciFunction;
  /** Registers worth writing to, as offsets behind the base address registers; any others are tried too. */
  readonly registers: readonly number[];
  /** The base address register of a virtio device's registers: its queues are set up properly now and then. */
  readonly virtioBar?: number;
  /** Bytes from outside, besides frames. */
  readonly poke?: (random: (limit: number) => number) => void;
}

/** A slot whose memory lies between canaries, and a guest that does what it likes. */
class HostileGuest {
  readonly clock = new ManualClock();
  readonly ports = new PortBus();
  readonly mmio = new MmioBus();
  readonly net = new TestNet();
  readonly hostWork = new HostWork(this.clock, 'arrival');
  readonly #whole = new Uint8Array(RAM_BYTES + 2 * CANARY_BYTES).fill(CANARY);
  readonly #flags = new Uint8Array(RAM_BYTES / PAGE_BYTES);
  readonly #view = new DataView(this.#whole.buffer, CANARY_BYTES, RAM_BYTES);
  readonly #random: SplitMix64;
  readonly #subject: HostileSubject;
  readonly #card: PciFunction;
  readonly #bases: number[] = [];

  constructor(subject: HostileSubject, seed: bigint) {
    this.#random = new SplitMix64(seed);
    this.#subject = subject;
    this.#whole.fill(0, CANARY_BYTES, CANARY_BYTES + RAM_BYTES);
    const host = { bytes: this.#whole, pageFlags: this.#flags, ramOffset: CANARY_BYTES };
    const regions = [{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }];
    const slot: PciSlot = {
      clock: this.clock,
      memory: new RamMemory(host, regions, { codeWrite: () => {}, firstWrite: () => {} }),
      hostWork: this.hostWork,
      interrupt: { set: () => {} },
      messages: { message: () => {} },
      window: windowsOn(this.ports, this.mmio),
      pageIn: async (gpa) => {
        this.#flags[Math.floor(gpa / PAGE_BYTES)] = 0;
      },
    };
    this.#card = subject.make(slot, this.net);
    this.#place();
  }

  below = (limit: number): number => Number(this.#random.next() % BigInt(limit));

  step(): void {
    const action = this.below(100);
    if (action < 40) this.#access();
    else if (action < 60) this.#scribble();
    else if (action < 75) this.#queue();
    else if (action < 80) this.net.arrive(this.#frame());
    else if (action < 85) this.clock.advanceTo(this.clock.nowNanos() + BigInt(this.below(MOST_NANOS)));
    else if (action < 88) this.#configuration();
    else if (action < 90) this.#flags[this.below(this.#flags.length)] |= PAGE_ABSENT;
    else if (action < 91) this.net.open = this.below(4) > 0;
    else if (action < 92 && this.below(40) === 0) this.#setUpQueues();
    else this.#subject.poke?.(this.below);
    this.net.sent.length = 0;
  }

  /** Lets the host do what it was asked for. */
  async settle(): Promise<void> {
    await this.hostWork.drain();
    for (let turn = 0; turn < 4; turn++) await undefined;
    this.#deliver();
  }

  #deliver(): void {
    this.#untilPresent(() => this.hostWork.deliver());
  }

  /** @throws {Error} memory beside the guest's has changed, or the state is too large, or cannot be restored */
  check(): void {
    const outside = [this.#whole.subarray(0, CANARY_BYTES), this.#whole.subarray(CANARY_BYTES + RAM_BYTES)];
    if (outside.some((bytes) => bytes.some((byte) => byte !== CANARY))) throw new Error('memory outside has changed');
    const state = this.#card.save();
    const characters = canonicalText(state).length;
    if (characters > MOST_STATE_CHARACTERS) throw new Error(`the state has ${characters} characters`);
    this.#card.restore(state);
  }

  #place(): void {
    for (let bar = 0; bar < BARS; bar++) {
      const offset = 0x10 + bar * 4;
      this.#card.writeConfig(offset, 4, 0xffffffff);
      const mask = this.#card.readConfig(offset, 4);
      this.#card.writeConfig(
        offset,
        4,
        mask === 0xffffffff ? 0 : mask & 1 ? PORTS + bar * 0x100 : MEMORY + bar * 0x100000,
      );
      if (mask !== 0 && mask !== 0xffffffff)
        this.#bases[bar] = (mask & 1 ? PORTS : MEMORY) + bar * (mask & 1 ? 0x100 : 0x100000);
    }
    this.#card.writeConfig(4, 2, 7);
  }

  /** Reads or writes a register, more often one that means something. */
  #access(): void {
    const { registers } = this.#subject;
    const bars = Object.values(this.#bases);
    const base = bars[this.below(bars.length)];
    const known = registers[this.below(registers.length)];
    const offset = this.below(5) > 0 ? known : this.below(base < MEMORY ? 0x100 : 0x20000);
    const size = [1, 2, 4, 4][this.below(4)];
    const bus = base < MEMORY ? this.ports : this.mmio;
    const value = this.below(4) === 0 ? undefined : this.#value();
    this.#untilPresent(() => {
      if (value === undefined) bus.read(base + offset, size);
      else bus.write(base + offset, size, value);
    });
  }

  /** As a processor does, which makes an access again when a page that it needs has been brought in. */
  #untilPresent(access: () => void): void {
    try {
      access();
    } catch (error) {
      if (!(error instanceof PageAbsent)) throw error;
      this.#flags[Math.floor(error.gpa / PAGE_BYTES)] = 0;
      this.#untilPresent(access);
    }
  }

  #value(): number {
    switch (this.below(6)) {
      case 0:
        return this.below(RAM_BYTES / 16) * 16;
      case 1:
        return this.below(64);
      case 2:
        return (1 << this.below(32)) >>> 0;
      case 3:
        return 0xffffffff - this.below(16);
      case 4:
        return this.below(4) * 0x1000;
      default:
        return this.below(2 ** 32);
    }
  }

  /** Writes something into memory: numbers, or what may be a descriptor. */
  #scribble(): void {
    const at = this.below(RAM_BYTES - 32) & ~15;
    if (this.below(2)) this.#view.setUint32(at, this.#value(), true);
    else this.#descriptor(this.below(4) * 0x4000, this.below(32));
  }

  #descriptor(table: number, index: number): void {
    const at = table + index * 16;
    this.#view.setUint32(at, this.below(20) ? this.below(RAM_BYTES) : this.#value(), true);
    this.#view.setUint32(at + 4, this.below(50) ? 0 : this.#value(), true);
    this.#view.setUint32(at + 8, this.below(20) ? this.below(5000) : this.#value(), true);
    this.#view.setUint16(at + 12, this.below(30) ? this.below(4) : this.below(8), true);
    this.#view.setUint16(at + 14, this.below(40) ? this.below(32) : this.below(65536), true);
  }

  /** Makes chains available in a queue, as a driver that has lost its mind would, and says so. */
  #queue(): void {
    const { virtioBar } = this.#subject;
    if (virtioBar === undefined) {
      this.#access();
      return;
    }
    const queue = this.below(4);
    const available = queue * 0x4000 + 0x2000;
    for (let count = this.below(3); count >= 0; count--) {
      const index = this.#view.getUint16(available + 2, true);
      this.#descriptor(queue * 0x4000, this.below(32));
      this.#request(queue * 0x4000);
      this.#view.setUint16(
        available + 4 + (index % 32) * 2,
        this.below(40) ? this.below(32) : this.#value() & 0xffff,
        true,
      );
      this.#view.setUint16(available + 2, this.below(200) ? (index + 1) & 0xffff : this.below(65536), true);
    }
    this.mmio.write(this.#bases[virtioBar] + 0x3000 + queue * 4, 4, queue);
  }

  /** Puts small numbers where a descriptor's buffer begins: most requests begin with their type. */
  #request(table: number): void {
    const gpa = this.#view.getUint32(table + this.below(32) * 16, true);
    if (gpa + 32 > RAM_BYTES) return;
    for (let at = 0; at < 32; at += 4)
      this.#view.setUint32(gpa + at, this.below(3) ? this.below(16) : this.#value(), true);
  }

  /** Does what a driver does up to DRIVER_OK. */
  #setUpQueues(): void {
    const { virtioBar } = this.#subject;
    if (virtioBar === undefined) return;
    const write = (offset: number, size: number, value: number) =>
      this.mmio.write(this.#bases[virtioBar] + offset, size, value);
    this.#place();
    write(0x14, 1, 0);
    write(0x14, 1, 3);
    for (const [word, bits] of [
      [0, this.below(2 ** 32)],
      [1, 1],
    ]) {
      write(0x00, 4, word);
      const offered = this.mmio.read(this.#bases[virtioBar] + 4, 4);
      write(0x08, 4, word);
      write(0x0c, 4, (bits & offered) >>> 0);
    }
    write(0x14, 1, 11);
    for (let queue = 0; queue < 4; queue++) {
      write(0x16, 2, queue);
      write(0x18, 2, 32);
      for (const [register, offset] of [
        [0x20, 0],
        [0x28, 0x2000],
        [0x30, 0x3000],
      ]) {
        write(register, 4, queue * 0x4000 + offset);
        write(register + 4, 4, 0);
      }
      this.#view.setUint32(queue * 0x4000 + 0x2000, 0, true);
      write(0x1c, 2, 1);
    }
    write(0x14, 1, 15);
  }

  #configuration(): void {
    const offset = this.below(64) * 4;
    if (this.below(3) === 0) this.#card.readConfig(offset, 4);
    else if (this.below(20) === 0) this.#card.writeConfig(offset, 4, this.#value());
    else this.#place();
  }

  #frame(): Uint8Array {
    const frame = new Uint8Array(this.below(20) ? this.below(1600) : this.below(70000));
    for (let index = 0; index < Math.min(64, frame.length); index++) frame[index] = this.below(256);
    if (this.below(2)) frame.fill(0xff, 0, 6);
    return frame;
  }
}

/** What fuzzing a device found: nothing, or an error with the step that has it. */
export interface DeviceFinding {
  readonly device: string;
  readonly step: number;
  readonly error: Error;
}

/** Fuzzes a device. @returns what was found, or undefined */
export async function fuzzDevice(
  subject: HostileSubject,
  seed: number,
  steps: number,
): Promise<DeviceFinding | undefined> {
  const guest = new HostileGuest(subject, BigInt(seed));
  for (let step = 0; step < steps; step++) {
    const started = process.cpuUsage();
    try {
      guest.step();
      if (step % SETTLE_STEPS === 0) await guest.settle();
      if (step % SAVE_STEPS === 0) guest.check();
    } catch (error) {
      return { device: subject.name, step, error: error as Error };
    }
    const { user, system } = process.cpuUsage(started);
    const millis = (user + system) / 1000;
    if (millis > LONGEST_STEP_MILLIS) return { device: subject.name, step, error: new Error(`it took ${millis} ms`) };
  }
  guest.check();
  return undefined;
}
