import type { Breakpoint, DebugStop, Watchpoint } from '../../cpu/debug-points.ts';
import { inspectLinear } from '../../cpu/inspect.ts';
import type { Vcpu } from '../../cpu/vcpu.ts';
import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import { NotRam } from '../../machine/interfaces.ts';
import type { PcMachine } from '../pc-machine.ts';

export type { DebugStop, WatchType } from '../../cpu/debug-points.ts';
export type { Vcpu } from '../../cpu/vcpu.ts';

/** What a debugger does to a machine, while it does not run. */
export class MachineDebugger {
  readonly #machine: PcMachine;
  #breakpoints: Breakpoint[] = [];
  #watchpoints: Watchpoint[] = [];

  constructor(machine: PcMachine) {
    this.#machine = machine;
  }

  /** The processors. */
  get vcpus(): readonly Vcpu[] {
    return this.#machine.vcpus.all;
  }

  /** Number of the processor that ran last. */
  get currentNumber(): number {
    return this.#machine.vcpus.currentNumber;
  }

  /** What stopped the current processor, once; undefined where it was somebody else. */
  takeStop(): DebugStop | undefined {
    return this.#machine.vcpus.current.takeDebugStop();
  }

  addBreakpoint(point: Breakpoint): void {
    this.removeBreakpoint(point);
    this.#breakpoints.push(point);
  }

  removeBreakpoint({ address, hardware }: Breakpoint): void {
    this.#breakpoints = this.#breakpoints.filter((p) => p.address !== address || p.hardware !== hardware);
  }

  addWatchpoint(point: Watchpoint): void {
    this.removeWatchpoint(point);
    this.#watchpoints.push(point);
  }

  removeWatchpoint({ type, address, bytes }: Watchpoint): void {
    this.#watchpoints = this.#watchpoints.filter((p) => p.type !== type || p.address !== address || p.bytes !== bytes);
  }

  /** Makes the points take effect; before the machine runs again. */
  apply(): void {
    this.#machine.vcpus.setDebugPoints(this.#breakpoints, this.#watchpoints);
  }

  /** Has one processor execute one instruction when the machine runs next. */
  stepNext(number: number): void {
    this.#machine.vcpus.stepNext(number);
  }

  /** Forgets all points. */
  clear(): void {
    this.#breakpoints = [];
    this.#watchpoints = [];
  }

  /** Reads memory at a linear address, as far as there is any, without the guest's knowing. */
  async readMemory(vcpu: Vcpu, address: bigint, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const done = await this.#forPieces(vcpu, address, length, (gpa, at, count) => {
      bytes.set(this.#machine.ram.forRead(gpa, count), at);
    });
    return bytes.subarray(0, done);
  }

  /** Writes memory at a linear address. @returns whether all of it is there */
  async writeMemory(vcpu: Vcpu, address: bigint, bytes: Uint8Array): Promise<boolean> {
    const done = await this.#forPieces(vcpu, address, bytes.length, (gpa, at, count) => {
      this.#machine.ram.forWrite(gpa, count).set(bytes.subarray(at, at + count));
    });
    return done === bytes.length;
  }

  /** @returns bytes up to the first that no RAM holds */
  async #forPieces(
    vcpu: Vcpu,
    address: bigint,
    length: number,
    act: (gpa: number, at: number, count: number) => void,
  ): Promise<number> {
    await this.#machine.pageInAll();
    let at = 0;
    while (at < length) {
      const linear = BigInt.asUintN(64, address + BigInt(at));
      const count = Math.min(length - at, PAGE_BYTES - Number(linear & BigInt(PAGE_BYTES - 1)));
      const gpa = inspectLinear(vcpu.state, linear, (entry, bytes) => this.#readEntry(entry, bytes));
      if (gpa === undefined || !inRam(() => act(gpa, at, count))) break;
      at += count;
    }
    return at;
  }

  #readEntry(gpa: number, bytes: 4 | 8): bigint | undefined {
    let entry: bigint | undefined;
    inRam(() => {
      const found = this.#machine.ram.forRead(gpa, bytes);
      const view = new DataView(found.buffer, found.byteOffset, bytes);
      entry = bytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
    });
    return entry;
  }
}

/** @returns whether the action found RAM where it looked */
function inRam(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof NotRam) return false;
    throw error;
  }
}
