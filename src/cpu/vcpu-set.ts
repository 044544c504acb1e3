import { STATE } from '../isa/registers.ts';
import { PAGE_BYTES, PAGE_MONITORED, type PageAccess } from '../machine/guest-memory.ts';
import type { DeviceState, RunExit } from '../machine/interfaces.ts';
import type { Breakpoint, Watchpoint } from './debug-points.ts';
import type { Vcpu } from './vcpu.ts';

/** Instructions that a processor executes before another that has something to do gets its turn. */
const TURN = 100_000;
/** What is left of a turn at most once something has happened that another processor may wait for. */
const EVENT_TURN = 20_000;
/** A turn while no other processor has anything to do: it lasts until one has. */
const UNLIMITED_TURN = Number.MAX_SAFE_INTEGER;
const NOT_MONITORING = -1;
const BUDGET: RunExit = { kind: 'budget' };
const HALTED: RunExit = { kind: 'halted' };

/**
 * The processors of a machine, which take turns on one thread. Turns are counted in instructions and end early with
 * HLT, MWAIT and PAUSE, so that who runs when depends on the guest alone. Each instruction is whole within a turn: all of
 * them are atomic, and writes are seen in their order.
 */
export class VcpuSet {
  readonly all: readonly Vcpu[];
  readonly #isAwake: (number: number) => boolean;
  /** Whose turn it is, and how much is left of it. */
  #current = 0;
  #turnLeft = TURN;
  #endRequested = false;
  /** Instructions that the processor whose turn it is had retired when it was last told to run; undefined while none runs. */
  #runsFrom: number | undefined;
  /** The processor that executes one instruction for a debugger. */
  #stepping: number | undefined;
  /** The page that each processor monitors. */
  #monitored: number[];

  /** @param isAwake whether a processor has something to do: it does not wait, or what it waits for has come */
  constructor(all: readonly Vcpu[], isAwake: (number: number) => boolean) {
    this.all = all;
    this.#isAwake = isAwake;
    this.#monitored = all.map(() => NOT_MONITORING);
  }

  /** The processor whose turn it is. */
  get current(): Vcpu {
    return this.all[this.#current];
  }

  /** Number of the processor whose turn it is. */
  get currentNumber(): number {
    return this.#current;
  }

  /** Instructions retired by all of them since power-on; exact while the guest accesses a device. */
  get retired(): number {
    let sum = 0;
    for (const vcpu of this.all) sum += vcpu.retired;
    return sum;
  }

  /** Whether any has something to do. */
  get awake(): boolean {
    return this.all.some((_, number) => this.#isAwake(number));
  }

  /** Runs at most `instructions` instructions in all; `halted` when none has anything to do. */
  run(instructions: number): RunExit {
    if (this.#stepping !== undefined) return this.#step(this.#stepping);
    if (this.all.length === 1) return this.all[0].run(instructions);
    this.#endRequested = false;
    let left = instructions;
    let fruitless = 0;
    while (left > 0 && !this.#endRequested && fruitless <= this.all.length) {
      if (!this.#chooseCurrent()) return HALTED;
      const vcpu = this.current;
      const before = vcpu.retired;
      const exit = this.#runCurrent(Math.min(left, this.#turnLeft));
      const used = vcpu.retired - before;
      left -= used;
      if (exit.kind === 'halted') this.#turnLeft = 0;
      else if (exit.kind !== 'budget') return exit;
      fruitless = used === 0 ? fruitless + 1 : 0;
    }
    return fruitless > this.all.length ? HALTED : BUDGET;
  }

  /** Takes what is executed off the turn, unless that is unlimited; where it becomes limited meanwhile, from there on. */
  #runCurrent(instructions: number): RunExit {
    const { current } = this;
    current.state.setU32(STATE.pauseYields, this.#turnLeft === UNLIMITED_TURN ? 0 : 1);
    this.#runsFrom = current.retired;
    try {
      return current.run(instructions);
    } finally {
      if (this.#turnLeft !== UNLIMITED_TURN) this.#turnLeft -= current.retired - this.#runsFrom;
      this.#runsFrom = undefined;
    }
  }

  /** Has the next {@link run} execute one instruction of one processor. */
  stepNext(number: number): void {
    this.#stepping = number;
  }

  #step(number: number): RunExit {
    this.#current = number;
    const exit = this.all[number].step();
    if (exit.kind === 'debug' || exit.kind === 'shutdown') this.#stepping = undefined;
    return exit;
  }

  /** Says where a debugger wants guest code to stop. It must not be running. */
  setDebugPoints(breakpoints: readonly Breakpoint[], watchpoints: readonly Watchpoint[]): void {
    const { debug, cache } = this.#code;
    const watched = debug.watches || watchpoints.length > 0;
    if (debug.set(breakpoints, watchpoints)) cache.flush();
    for (const vcpu of this.all) {
      vcpu.state.setU32(STATE.watching, debug.watches ? 1 : 0);
      if (watched) vcpu.forgetTranslations();
    }
  }

  /** Ends {@link run} before the next instruction. */
  requestEnd(): void {
    this.#endRequested = true;
    this.current.requestEnd();
  }

  /** Something that a processor may wait for has happened: it looks before its next instruction. */
  requestEvent(number: number): void {
    if (number === this.#current) this.current.requestStop();
    else this.#shortenTurn();
  }

  /** The INIT that a processor's local APIC receives. */
  init(number: number): void {
    this.all[number].init();
    if (number !== this.#current) this.#shortenTurn();
  }

  /** A start-up IPI. @param vector the page to start at, 0 to 255 */
  startUp(number: number, vector: number): void {
    this.all[number].startUp(vector);
    if (number !== this.#current) this.#shortenTurn();
  }

  /** Another processor may have something to do now. Depends on the guest alone, as it must. */
  #shortenTurn(): void {
    const { current } = this;
    const used = this.#runsFrom === undefined ? 0 : current.retired - this.#runsFrom;
    const left = this.#turnLeft === UNLIMITED_TURN ? this.#turnLeft : this.#turnLeft - used;
    if (left <= EVENT_TURN) return;
    this.#turnLeft = EVENT_TURN + used;
    current.state.setU32(STATE.pauseYields, 1);
    current.endWithin(EVENT_TURN);
  }

  /** PAUSE of the processor whose turn it is: those others that are awake run now. */
  pause(): void {
    this.#turnLeft = 0;
    this.current.requestEnd();
  }

  /** The processor whose turn it is monitors the page of `gpa` from now on, and no other one. */
  monitor(gpa: number): void {
    const page = Math.floor(gpa / PAGE_BYTES);
    this.#monitored[this.#current] = page;
    this.#watch(page);
  }

  /** A page flagged MONITORED is being written; the flag is cleared. */
  monitorTriggered(pageGpa: number): void {
    const page = pageGpa / PAGE_BYTES;
    this.#monitored.forEach((monitored, number) => {
      if (monitored !== page) return;
      this.#monitored[number] = NOT_MONITORING;
      this.all[number].monitorTriggered();
      if (number !== this.#current) this.#shortenTurn();
    });
  }

  /** Sets which bits of physical addresses count: all, or all but bit 20. */
  setA20Mask(mask: bigint): void {
    for (const vcpu of this.all) vcpu.setA20Mask(mask);
  }

  /** Says how guest code reaches the RAM of whole pages from `gpa` on. */
  setPageAccess(gpa: number, length: number, access: PageAccess): void {
    if (this.#code.setPageAccess(gpa, length, access)) this.#forgetTranslations();
  }

  /** Says where guest code reaches video memory. @param gpa undefined: nowhere  @param bytes how much there is */
  placeVideoMemory(gpa: number | undefined, bytes: number): void {
    const { state } = this.all[0];
    const before = state.u64(STATE.videoEnd) === 0n ? undefined : Number(state.u64(STATE.videoStart));
    if (before === gpa) return;
    if (before !== undefined) this.#code.setPageAccess(before, bytes, 'device');
    for (const { engine } of this.all) engine.placeVideoMemory(gpa);
    if (gpa !== undefined) this.#code.setPageAccess(gpa, bytes, 'ram');
    this.#forgetTranslations();
  }

  /** Makes guest code take the slow path when it next writes to one of `count` pages from number `first` on. */
  watchPages(first: number, count: number): void {
    this.#code.watchPages(first, count);
  }

  /** Drops code made from `length` bytes at `gpa`, which are about to change. */
  invalidateCode(gpa: number, length: number): void {
    this.#code.cache.invalidate(gpa, length);
  }

  /** As the RESET# pin of all of them. */
  reset(): void {
    for (const vcpu of this.all) vcpu.reset();
    this.#current = 0;
    this.#turnLeft = TURN;
    this.#monitored.fill(NOT_MONITORING);
  }

  save(): DeviceState {
    return {
      version: 1,
      vcpus: this.all.map((vcpu) => vcpu.save()),
      current: this.#current,
      turnLeft: this.#turnLeft,
      monitored: [...this.#monitored],
    };
  }

  /** As {@link Vcpu.restore}, with the same conditions. @throws {Error} the number of processors is another */
  restore(saved: DeviceState): void {
    const vcpus = saved.vcpus as readonly DeviceState[];
    if (vcpus.length !== this.all.length) {
      throw new Error(`the saved machine has ${vcpus.length} processors, not ${this.all.length}`);
    }
    this.all.forEach((vcpu, number) => {
      vcpu.restore(vcpus[number]);
    });
    this.#current = saved.current as number;
    this.#turnLeft = saved.turnLeft as number;
    this.#monitored = [...(saved.monitored as number[])];
    for (const page of this.#monitored) if (page !== NOT_MONITORING) this.#watch(page);
  }

  /** The last step of restoring. */
  restoreTranslations(saved: DeviceState): void {
    const vcpus = saved.vcpus as readonly DeviceState[];
    this.all.forEach((vcpu, number) => {
      vcpu.restoreTranslations(vcpus[number]);
    });
  }

  get #code() {
    return this.all[0].engine.machineCode;
  }

  /** Gives the turn on where it has ended. @returns false when no processor has anything to do */
  #chooseCurrent(): boolean {
    const count = this.all.length;
    const ended = this.#turnLeft <= 0 || !this.#isAwake(this.#current);
    if (ended) {
      let next = this.#current;
      do next = (next + 1) % count;
      while (next !== this.#current && !this.#isAwake(next));
      if (!this.#isAwake(next)) return false;
      this.#current = next;
      this.#turnLeft = this.#othersAwake(next) ? TURN : UNLIMITED_TURN;
    }
    return true;
  }

  #othersAwake(number: number): boolean {
    for (let other = 0; other < this.all.length; other++) {
      if (other !== number && this.#isAwake(other)) return true;
    }
    return false;
  }

  #watch(page: number): void {
    const { machine, view } = this.#code;
    const { pageFlags, pageCount } = machine.layout;
    if (page >= pageCount) return;
    const flags = view.getUint8(pageFlags + page);
    if ((flags & PAGE_MONITORED) !== 0) return;
    view.setUint8(pageFlags + page, flags | PAGE_MONITORED);
    this.#code.watchPageAgain(page);
  }

  #forgetTranslations(): void {
    for (const vcpu of this.all) vcpu.forgetTranslations();
  }
}
