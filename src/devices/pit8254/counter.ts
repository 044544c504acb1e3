import type { CounterState } from './state.ts';

const ACCESS_LOW = 1;
const ACCESS_HIGH = 2;
const STATUS_OUT = 0x80;
const STATUS_NULL_COUNT = 0x40;

/** Cycles shorter than this (10 µs) reach the interrupt line as a multiple of themselves: no guest could serve them. */
const SHORTEST_CYCLE_TICKS = 12;

/**
 * One counter of an 8254, computed from the tick at which its count was loaded instead of being decremented.
 *
 * Every method takes the present tick, which never goes backwards. Data sheet: Intel 231164, "Mode definitions".
 * Mode 1's OUT falls at the trigger, one clock early; the undefined count before the first load reads as 0.
 */
export class Counter {
  #s: CounterState;

  constructor(gate: boolean) {
    this.#s = unloaded(0, gate);
  }

  save(): CounterState {
    return { ...this.#s };
  }

  restore(state: CounterState): void {
    this.#s = { ...state };
  }

  /** Takes bits 5-0 of a control word: the counter waits for a count. */
  writeControl(control: number): void {
    this.#s = unloaded(control & 0x3f, this.#s.gate);
  }

  writeByte(byte: number, tick: number): void {
    const s = this.#s;
    const access = this.#access;
    if (access === ACCESS_LOW) {
      this.#writeCount(byte, tick);
    } else if (access === ACCESS_HIGH) {
      this.#writeCount(byte << 8, tick);
    } else if (s.lowByte === null) {
      s.lowByte = byte;
      if (this.#mode === 0) s.phase = 'idle';
    } else {
      const count = s.lowByte | (byte << 8);
      s.lowByte = null;
      this.#writeCount(count, tick);
    }
  }

  readByte(tick: number): number {
    const s = this.#s;
    if (s.latchedStatus !== null) {
      const status = s.latchedStatus;
      s.latchedStatus = null;
      return status;
    }
    const access = this.#access;
    const count = s.latchedCount ?? this.#count(tick);
    const high = access === ACCESS_HIGH || (access !== ACCESS_LOW && s.readHigh);
    if (access !== ACCESS_LOW && access !== ACCESS_HIGH) s.readHigh = !s.readHigh;
    if (!s.readHigh) s.latchedCount = null;
    return high ? count >> 8 : count & 0xff;
  }

  /** A count that is latched already stays. */
  latchCount(tick: number): void {
    this.#s.latchedCount ??= this.#count(tick);
  }

  /** A status that is latched already stays. */
  latchStatus(tick: number): void {
    const s = this.#s;
    this.#settle(tick);
    const loaded = s.phase === 'held' || (s.phase === 'running' && tick >= s.origin);
    const nullCount = !loaded || s.next !== null;
    s.latchedStatus ??= (this.output(tick) ? STATUS_OUT : 0) | (nullCount ? STATUS_NULL_COUNT : 0) | s.control;
  }

  setGate(gate: boolean, tick: number): void {
    const s = this.#s;
    this.#settle(tick);
    if (gate === s.gate) return;
    s.gate = gate;
    const mode = this.#mode;
    if (mode === 1 || mode === 5) {
      if (gate && (s.next ?? s.reload) !== 0) this.#load(tick);
    } else if (!gate && s.phase === 'running') {
      s.elapsed = Math.max(0, tick - s.origin);
      s.phase = 'held';
    } else if (gate && s.phase === 'held') {
      this.#release(tick);
    }
  }

  /** The level of the OUT pin. */
  output(tick: number): boolean {
    this.#settle(tick);
    const { phase, reload, origin, elapsed } = this.#s;
    const mode = this.#mode;
    if (phase === 'idle') return mode !== 0;
    const e = phase === 'running' ? tick - origin : elapsed;
    if (mode === 0 || mode === 1) return e >= reload;
    if (mode === 4 || mode === 5) return e !== reload;
    if (phase === 'held' || e < 0) return true;
    return mode === 2 ? e % reload !== reload - 1 : e % reload < highTicks(reload);
  }

  /** As {@link output}, without the low strobes of a single tick, which {@link nextEdge} announces by their end. */
  steadyOutput(tick: number): boolean {
    const mode = this.#mode;
    return mode === 2 || mode === 4 || mode === 5 || this.output(tick);
  }

  /** The next tick at which OUT changes (strobes: at which it rises again), or null when it stays as it is. */
  nextEdge(tick: number): number | null {
    this.#settle(tick);
    const { phase, reload, origin } = this.#s;
    if (phase !== 'running') return null;
    const mode = this.#mode;
    const e = tick - origin;
    if (mode === 2 || mode === 3) {
      if (reload >= SHORTEST_CYCLE_TICKS) return this.#boundaryAfter(tick);
      const step = reload * Math.ceil(SHORTEST_CYCLE_TICKS / reload);
      return origin + (Math.floor(e / step) + 1) * step;
    }
    const end = mode === 4 || mode === 5 ? reload + 1 : reload;
    return e < end ? origin + end : null;
  }

  get #mode(): number {
    const mode = (this.#s.control >> 1) & 7;
    return mode > 5 ? mode - 4 : mode;
  }

  get #access(): number {
    return this.#s.control >> 4;
  }

  get #bcd(): boolean {
    return (this.#s.control & 1) !== 0;
  }

  #writeCount(raw: number, tick: number): void {
    const s = this.#s;
    this.#settle(tick);
    const mode = this.#mode;
    const written = this.#bcd ? fromBcd(raw) : raw;
    s.next = written === 0 ? this.#wrap() : written;
    s.nextTick = null;
    if (mode === 1 || mode === 5) return;
    if (mode === 0 || mode === 4 || s.phase === 'idle') this.#load(tick);
    else if (s.phase === 'running') s.nextTick = this.#boundaryAfter(tick);
  }

  /** Moves the waiting count, if any, into the counting element at the next tick. */
  #load(tick: number): void {
    const s = this.#s;
    const mode = this.#mode;
    s.reload = s.next ?? s.reload;
    s.next = null;
    s.nextTick = null;
    s.origin = tick + 1;
    s.elapsed = 0;
    s.phase = s.gate || mode === 1 || mode === 5 ? 'running' : 'held';
  }

  /** A rising GATE goes on counting in modes 0 and 4 and begins anew in modes 2 and 3. */
  #release(tick: number): void {
    const s = this.#s;
    const mode = this.#mode;
    if (mode === 2 || mode === 3) {
      this.#load(tick);
    } else {
      s.origin = tick - s.elapsed;
      s.phase = 'running';
    }
  }

  /** Lets a count that waits for the end of a cycle take over when that end has passed. */
  #settle(tick: number): void {
    const s = this.#s;
    if (s.next === null || s.nextTick === null || tick < s.nextTick) return;
    const startsHigh = (s.nextTick - s.origin) % s.reload === 0;
    s.reload = s.next;
    s.origin = startsHigh ? s.nextTick : s.nextTick - highTicks(s.reload);
    s.next = null;
    s.nextTick = null;
  }

  /** The end of the cycle (mode 2) or half-cycle (mode 3) in which `tick` lies. */
  #boundaryAfter(tick: number): number {
    const { reload, origin } = this.#s;
    const e = Math.max(0, tick - origin);
    const within = e % reload;
    const half = highTicks(reload);
    const length = this.#mode === 3 && within < half ? half : reload;
    return origin + e - within + length;
  }

  /** The counting element as a 16-bit number, in BCD when so programmed. */
  #count(tick: number): number {
    this.#settle(tick);
    const { phase, reload, origin, elapsed } = this.#s;
    if (phase === 'idle') return 0;
    const e = phase === 'running' ? Math.max(0, tick - origin) : elapsed;
    const mode = this.#mode;
    const wrap = this.#wrap();
    let value = reload - e;
    if (mode === 2) value = reload - (e % reload);
    else if (mode === 3) value = squareWaveCount(reload, e % reload);
    value = ((value % wrap) + wrap) % wrap;
    return this.#bcd ? toBcd(value) : value;
  }

  #wrap(): number {
    return this.#bcd ? 10_000 : 0x10000;
  }
}

function unloaded(control: number, gate: boolean): CounterState {
  return {
    control,
    gate,
    phase: 'idle',
    reload: 0,
    origin: 0,
    elapsed: 0,
    next: null,
    nextTick: null,
    lowByte: null,
    readHigh: false,
    latchedCount: null,
    latchedStatus: null,
  };
}

/** Ticks for which mode 3 keeps OUT high: the longer half of an odd count. */
function highTicks(reload: number): number {
  return Math.ceil(reload / 2);
}

/** Mode 3 counts down by two in each half, from the count made even. */
function squareWaveCount(reload: number, within: number): number {
  const half = highTicks(reload);
  return (reload & ~1) - 2 * (within < half ? within : within - half);
}

function fromBcd(raw: number): number {
  return (raw >> 12) * 1000 + ((raw >> 8) & 15) * 100 + ((raw >> 4) & 15) * 10 + (raw & 15);
}

function toBcd(value: number): number {
  const digit = (divisor: number) => Math.floor(value / divisor) % 10;
  return (digit(1000) << 12) | (digit(100) << 8) | (digit(10) << 4) | digit(1);
}
