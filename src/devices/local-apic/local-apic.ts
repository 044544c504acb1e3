import { DELIVERY_MODE, type InterruptMessage } from '../../base/interrupt-message.ts';
import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { ApicBase } from './apic-base.ts';
import { ApicTimer } from './apic-timer.ts';
import {
  APIC_BASE_MSR,
  APIC_VERSION,
  ESR_ILLEGAL_REGISTER,
  ESR_RECEIVED_ILLEGAL_VECTOR,
  ESR_SEND_ILLEGAL_VECTOR,
  ICR_ASSERT,
  ICR_LEVEL,
  ICR_LOGICAL,
  ICR_WRITABLE,
  LVT_LEVEL,
  LVT_MASKED,
  LVT_OF,
  LVT_REMOTE_IRR,
  LVT_TIMER_MODE_SHIFT,
  REG,
  SVR_ENABLE,
  TSC_DEADLINE_MSR,
  WRITABLE,
  X2APIC_FIRST_MSR,
  X2APIC_LAST_MSR,
  X2APIC_READ_ONLY,
} from './registers.ts';
import {
  type ApicRegisters,
  initialRegisters,
  LOCAL_APIC_VERSION,
  type LocalApicState,
  type LocalVectorTable,
} from './state.ts';
import { VectorSet } from './vector-set.ts';
import type { ApicReceiver, LocalApicWiring } from './wiring.ts';

const SHORTHAND_SELF = 1;
const SHORTHAND_ALL = 2;
const SHORTHAND_OTHERS = 3;
const FIRST_LEGAL_VECTOR = 16;
const NO_VECTOR = -1;
const BROADCAST_X2APIC = 0xffff_ffff;
const BROADCAST_XAPIC = 0xff;
const FLAT_MODEL = 0xf;

/**
 * A processor's local APIC (Intel SDM 3A chapter 11): the xAPIC register page and the x2APIC registers.
 *
 * The bootstrap processor's starts as firmware leaves it, in virtual wire mode: LINT0 is ExtINT and LINT1 is NMI, both
 * unmasked. While IA32_APIC_BASE disables the APIC, the two pins are the processor's INTR and NMI. Pin polarity has no
 * meaning here, since lines are asserted or not. SMI messages are dropped: there is no system management mode.
 */
export class LocalApic implements Device {
  /** LINT0, where a PC connects the 8259A's INTR. */
  readonly lint0: IrqLine = { set: (level) => this.#setLint0(level) };
  /** LINT1, where a PC connects NMI. */
  readonly lint1: IrqLine = { set: (level) => this.#setLint1(level) };
  /** The side of the APIC bus. */
  readonly receiver: ApicReceiver;
  readonly #wiring: LocalApicWiring;
  readonly #timer: ApicTimer;
  readonly #isr = new VectorSet();
  readonly #tmr = new VectorSet();
  readonly #irr = new VectorSet();
  #r: ApicRegisters;
  readonly #base: ApicBase;
  #lint0Level = false;
  #lint1Level = false;

  constructor(wiring: LocalApicWiring) {
    this.#wiring = wiring;
    this.receiver = {
      matches: (destination, destinationMode) => this.#matches(destination, destinationMode),
      deliver: (vector, deliveryMode, triggerMode) => this.#deliver(vector, deliveryMode, triggerMode),
      priority: () => this.#processorPriority,
    };
    this.#base = new ApicBase(wiring.bootstrap);
    this.#r = initialRegisters(wiring.bootstrap);
    this.#timer = new ApicTimer(wiring.clock, wiring.tsc, wiring.timerHz, () => this.#signal(this.#r.lvt.timer));
  }

  /** Where the register page lies, as IA32_APIC_BASE says. */
  get baseGpa(): number {
    return this.#base.gpa;
  }

  /** Whether the register page answers: not when disabled, nor in x2APIC mode. */
  get mmioEnabled(): boolean {
    return this.#base.enabled && !this.#base.x2apic;
  }

  /** The task priority register, whose bits 7-4 are CR8. */
  get taskPriority(): number {
    return this.#r.tpr;
  }

  set taskPriority(value: number) {
    this.#r.tpr = value & 0xff;
    this.#update();
  }

  /** The vector of the APIC's own that the processor would take next; -1 for none or when only ExtINT waits. */
  get pendingVector(): number {
    const vector = this.#irr.highest();
    return vector >> 4 > this.#processorPriority >> 4 ? vector : NO_VECTOR;
  }

  read(offset: number, size: number): number {
    const value = this.mmioEnabled ? this.#readRegister((offset & 0xfff) >> 4) : 0xffff_ffff;
    if (value === undefined) this.#error(ESR_ILLEGAL_REGISTER);
    if (size === 4) return value ?? 0;
    return ((value ?? 0) >>> ((offset & 3) * 8)) & (size === 2 ? 0xffff : 0xff);
  }

  /** Only whole registers are written; narrower writes, which the manual leaves undefined, do nothing. */
  write(offset: number, size: number, value: number): void {
    const register = (offset & 0xfff) >> 4;
    if (size !== 4 || !this.mmioEnabled) return;
    const known = WRITABLE[register] !== undefined && register !== REG.selfIpi;
    if (known) this.#writeRegister(register, (value & WRITABLE[register]) >>> 0);
    else this.#error(ESR_ILLEGAL_REGISTER);
  }

  save(): LocalApicState {
    return {
      version: LOCAL_APIC_VERSION,
      registers: { ...this.#r, lvt: { ...this.#r.lvt } },
      base: this.#base.save(),
      isr: this.#isr.toWords(),
      tmr: this.#tmr.toWords(),
      irr: this.#irr.toWords(),
      lint0Level: this.#lint0Level,
      lint1Level: this.#lint1Level,
      timer: this.#timer.save(),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('LocalApic', state.version, LOCAL_APIC_VERSION);
    const saved = state as LocalApicState;
    this.#r = { ...saved.registers, lvt: { ...saved.registers.lvt } };
    this.#base.restore(saved.base);
    this.#isr.load(saved.isr);
    this.#tmr.load(saved.tmr);
    this.#irr.load(saved.irr);
    this.#lint0Level = saved.lint0Level;
    this.#lint1Level = saved.lint1Level;
    this.#timer.restore(saved.timer);
    this.#update();
  }

  /** Reads IA32_APIC_BASE, IA32_TSC_DEADLINE or an x2APIC register. @returns undefined where RDMSR faults */
  readMsr(msr: number): bigint | undefined {
    if (msr === APIC_BASE_MSR) return this.#base.read();
    if (msr === TSC_DEADLINE_MSR) return this.#timer.tscDeadline;
    if (!this.#base.x2apic || msr < X2APIC_FIRST_MSR || msr > X2APIC_LAST_MSR) return undefined;
    const register = msr - X2APIC_FIRST_MSR;
    if (register === REG.icrLow) return BigInt(this.#r.icrLow) | (BigInt(this.#r.icrHigh) << 32n);
    if (register === REG.eoi) return undefined;
    const value = this.#readRegister(register);
    return value === undefined ? undefined : BigInt(value);
  }

  /** Writes one of the registers that {@link readMsr} reads. @returns false where WRMSR faults */
  writeMsr(msr: number, value: bigint): boolean {
    if (msr === APIC_BASE_MSR) return this.#writeBase(value);
    if (msr === TSC_DEADLINE_MSR) {
      this.#timer.writeTscDeadline(value);
      return true;
    }
    if (!this.#base.x2apic || msr < X2APIC_FIRST_MSR || msr > X2APIC_LAST_MSR) return false;
    const register = msr - X2APIC_FIRST_MSR;
    const low = Number(value & 0xffff_ffffn);
    const high = Number(value >> 32n);
    const writable = WRITABLE[register] ?? 0;
    const absent = WRITABLE[register] === undefined || X2APIC_READ_ONLY.has(register);
    if (absent || (low & ~writable) !== 0 || (high !== 0 && register !== REG.icrLow)) return false;
    if (register === REG.icrLow) this.#r.icrHigh = high;
    this.#writeRegister(register, low);
    return true;
  }

  /** To be called after the guest has set its TSC, on which TSC-deadline mode depends. */
  tscChanged(): void {
    this.#timer.tscChanged();
  }

  /** The processor takes the interrupt that the output announces. @returns its vector; the spurious one if it vanished */
  acknowledge(): number {
    const vector = this.#base.enabled ? this.pendingVector : NO_VECTOR;
    if (vector !== NO_VECTOR) {
      this.#irr.delete(vector);
      this.#isr.add(vector);
      this.#update();
      return vector;
    }
    if (!this.#externalWaits()) return this.#r.svr & 0xff;
    this.#r.extIntPending = false;
    const external = this.#wiring.acknowledgeExternal();
    this.#update();
    return external;
  }

  /** Intel SDM 3A 11.6.2. */
  #matches(destination: number, destinationMode: 'physical' | 'logical'): boolean {
    if (!this.#base.enabled) return false;
    const x2apic = this.#base.x2apic;
    if (destination === BROADCAST_X2APIC) return true;
    if (destinationMode === 'physical') return destination === this.#wiring.id || destination === BROADCAST_XAPIC;
    const ldr = this.#readLdr();
    if (x2apic) return destination >>> 16 === ldr >>> 16 && (destination & ldr & 0xffff) !== 0;
    const logicalId = ldr >>> 24;
    if (this.#r.dfr >>> 28 === FLAT_MODEL) return (destination & logicalId) !== 0;
    const cluster = destination >> 4;
    return (cluster === logicalId >> 4 || cluster === 0xf) && (destination & logicalId & 0xf) !== 0;
  }

  #deliver(vector: number, deliveryMode: number, triggerMode: 'edge' | 'level'): void {
    if (!this.#base.enabled) return;
    const { processor, bootstrap } = this.#wiring;
    if (deliveryMode === DELIVERY_MODE.fixed || deliveryMode === DELIVERY_MODE.lowestPriority) {
      if (this.#r.svr & SVR_ENABLE) this.#accept(vector, triggerMode);
    } else if (deliveryMode === DELIVERY_MODE.nmi) {
      processor.nmi();
    } else if (deliveryMode === DELIVERY_MODE.init) {
      this.#reset(bootstrap);
      processor.init();
    } else if (deliveryMode === DELIVERY_MODE.startUp) {
      processor.startUp(vector);
    } else if (deliveryMode === DELIVERY_MODE.extInt) {
      this.#r.extIntPending = true;
      this.#update();
    }
  }

  /** The processor priority register: interrupts of its class and below wait. */
  get #processorPriority(): number {
    const inService = Math.max(0, this.#isr.highest());
    const { tpr } = this.#r;
    return tpr >> 4 >= inService >> 4 ? tpr : inService & 0xf0;
  }

  #update(): void {
    const own = this.#base.enabled && this.pendingVector !== NO_VECTOR;
    this.#wiring.output.set(own || this.#externalWaits());
  }

  /** Whether the processor would take its interrupt from the 8259A. */
  #externalWaits(): boolean {
    if (!this.#base.enabled) return this.#lint0Level;
    if (this.#r.extIntPending) return true;
    const { lint0 } = this.#r.lvt;
    return this.#lint0Level && (lint0 & LVT_MASKED) === 0 && modeOf(lint0) === DELIVERY_MODE.extInt;
  }

  #accept(vector: number, triggerMode: 'edge' | 'level'): void {
    if (vector < FIRST_LEGAL_VECTOR) {
      this.#error(ESR_RECEIVED_ILLEGAL_VECTOR);
      return;
    }
    this.#irr.add(vector);
    if (triggerMode === 'level') this.#tmr.add(vector);
    else this.#tmr.delete(vector);
    this.#update();
  }

  /** Lets a local interrupt source fire as its LVT entry says. */
  #signal(entry: number): void {
    if (entry & LVT_MASKED) return;
    const mode = modeOf(entry);
    if (mode === DELIVERY_MODE.nmi) this.#wiring.processor.nmi();
    else if (mode === DELIVERY_MODE.fixed) this.#accept(entry & 0xff, entry & LVT_LEVEL ? 'level' : 'edge');
  }

  #error(bit: number): void {
    const { lvt } = this.#r;
    this.#r.pendingErrors |= bit;
    if ((lvt.error & LVT_MASKED) === 0 && (lvt.error & 0xff) >= FIRST_LEGAL_VECTOR) this.#signal(lvt.error);
  }

  #setLint0(level: boolean): void {
    if (level === this.#lint0Level) return;
    this.#lint0Level = level;
    if (this.#base.enabled) this.#signalPin('lint0', level);
    this.#update();
  }

  #setLint1(level: boolean): void {
    if (level === this.#lint1Level) return;
    this.#lint1Level = level;
    if (this.#base.enabled) this.#signalPin('lint1', level);
    else if (level) this.#wiring.processor.nmi();
  }

  /** A level-triggered pin in fixed mode interrupts once and again after each EOI. */
  #signalPin(pin: 'lint0' | 'lint1', level: boolean): void {
    const { lvt } = this.#r;
    const entry = lvt[pin];
    if (!level || entry & LVT_MASKED) return;
    if (entry & LVT_LEVEL && modeOf(entry) === DELIVERY_MODE.fixed) {
      if (entry & LVT_REMOTE_IRR) return;
      lvt[pin] |= LVT_REMOTE_IRR;
    }
    this.#signal(entry);
  }

  #endOfInterrupt(): void {
    const vector = this.#isr.highest();
    if (vector === NO_VECTOR) return;
    this.#isr.delete(vector);
    if (this.#tmr.has(vector)) {
      this.#wiring.bus.endOfInterrupt(vector);
      this.#endOfPin('lint0', vector, this.#lint0Level);
      this.#endOfPin('lint1', vector, this.#lint1Level);
    }
    this.#update();
  }

  #endOfPin(pin: 'lint0' | 'lint1', vector: number, level: boolean): void {
    const { lvt } = this.#r;
    if ((lvt[pin] & LVT_REMOTE_IRR) === 0 || (lvt[pin] & 0xff) !== vector) return;
    lvt[pin] &= ~LVT_REMOTE_IRR;
    this.#signalPin(pin, level);
  }

  /** @returns undefined for a register that is reserved in the present mode */
  #readRegister(register: number): number | undefined {
    const r = this.#r;
    if (register >= REG.isr && register < REG.esr) return this.#readVectors(register);
    const entry = LVT_OF[register];
    if (entry !== undefined) return r.lvt[entry];
    switch (register) {
      case REG.id:
        return this.#base.x2apic ? this.#wiring.id : (this.#wiring.id << 24) >>> 0;
      case REG.version:
        return APIC_VERSION;
      case REG.tpr:
        return r.tpr;
      case REG.ppr:
        return this.#processorPriority;
      case REG.ldr:
        return this.#readLdr();
      case REG.svr:
        return r.svr;
      case REG.esr:
        return r.esr;
      case REG.icrLow:
        return r.icrLow;
      case REG.initialCount:
        return this.#timer.initialCount;
      case REG.currentCount:
        return this.#timer.currentCount;
      case REG.divideConfiguration:
        return this.#timer.divideConfiguration;
    }
    return this.#base.x2apic ? undefined : this.#readXapicOnly(register);
  }

  #readXapicOnly(register: number): number | undefined {
    if (register === REG.dfr) return this.#r.dfr;
    if (register === REG.icrHigh) return this.#r.icrHigh;
    return register === REG.eoi || register === REG.apr || register === REG.rrd ? 0 : undefined;
  }

  #readVectors(register: number): number {
    if (register < REG.tmr) return this.#isr.word(register - REG.isr);
    if (register < REG.irr) return this.#tmr.word(register - REG.tmr);
    return this.#irr.word(register - REG.irr);
  }

  /** In x2APIC mode the logical ID follows from the APIC ID (Intel SDM 3A 11.12.10.2). */
  #readLdr(): number {
    const { id } = this.#wiring;
    return this.#base.x2apic ? (((id >>> 4) << 16) | (1 << (id & 15))) >>> 0 : this.#r.ldr;
  }

  #writeRegister(register: number, value: number): void {
    const r = this.#r;
    if (LVT_OF[register] !== undefined) this.#writeLvt(LVT_OF[register], value);
    else if (register === REG.tpr) this.taskPriority = value;
    else if (register === REG.eoi) this.#endOfInterrupt();
    else if (register === REG.ldr) r.ldr = value;
    else if (register === REG.dfr) r.dfr = (value | 0x0fff_ffff) >>> 0;
    else if (register === REG.svr) this.#writeSvr(value);
    else if (register === REG.esr) this.#latchErrors();
    else if (register === REG.icrHigh) r.icrHigh = value;
    else if (register === REG.icrLow) this.#writeIcr(value & ICR_WRITABLE);
    else if (register === REG.initialCount) this.#timer.writeInitialCount(value);
    else if (register === REG.divideConfiguration) this.#timer.writeDivideConfiguration(value);
    else if (register === REG.selfIpi) this.#sendFixedToSelf(value);
  }

  #writeLvt(name: keyof LocalVectorTable, value: number): void {
    const { lvt, svr } = this.#r;
    const kept = value & LVT_LEVEL ? lvt[name] & LVT_REMOTE_IRR : 0;
    lvt[name] = value | kept | (svr & SVR_ENABLE ? 0 : LVT_MASKED);
    if (name === 'timer') this.#configureTimer();
    if (name === 'lint0') this.#signalHeldPin('lint0', this.#lint0Level);
    if (name === 'lint1') this.#signalHeldPin('lint1', this.#lint1Level);
    this.#update();
  }

  /** A level that is already there when its entry is written counts; an edge that has passed does not. */
  #signalHeldPin(pin: 'lint0' | 'lint1', level: boolean): void {
    const entry = this.#r.lvt[pin];
    if (entry & LVT_LEVEL && modeOf(entry) === DELIVERY_MODE.fixed) this.#signalPin(pin, level);
  }

  #configureTimer(): void {
    const entry = this.#r.lvt.timer;
    this.#timer.configure((entry >> LVT_TIMER_MODE_SHIFT) & 3, (entry & LVT_MASKED) !== 0);
  }

  /** Disabling by software masks the whole local vector table. */
  #writeSvr(value: number): void {
    const r = this.#r;
    r.svr = value;
    if (value & SVR_ENABLE) return;
    for (const name of Object.values(LVT_OF)) r.lvt[name] |= LVT_MASKED;
    this.#configureTimer();
    this.#update();
  }

  #latchErrors(): void {
    this.#r.esr = this.#r.pendingErrors;
    this.#r.pendingErrors = 0;
  }

  #writeIcr(value: number): void {
    const r = this.#r;
    r.icrLow = value;
    const deliveryMode = modeOf(value);
    const vector = value & 0xff;
    if (deliveryMode === DELIVERY_MODE.init && (value & ICR_ASSERT) === 0 && value & ICR_LEVEL) return;
    if (deliveryMode <= DELIVERY_MODE.lowestPriority && vector < FIRST_LEGAL_VECTOR) {
      this.#error(ESR_SEND_ILLEGAL_VECTOR);
      return;
    }
    const message: InterruptMessage = {
      vector,
      deliveryMode,
      destination: this.#base.x2apic ? r.icrHigh : r.icrHigh >>> 24,
      destinationMode: value & ICR_LOGICAL ? 'logical' : 'physical',
      triggerMode: 'edge',
    };
    this.#sendIpi(message, value >> 18);
  }

  #sendIpi(message: InterruptMessage, shorthand: number): void {
    const { bus } = this.#wiring;
    if (shorthand === SHORTHAND_SELF) this.#deliver(message.vector, message.deliveryMode, 'edge');
    else if (shorthand === SHORTHAND_ALL) bus.broadcast(message, undefined);
    else if (shorthand === SHORTHAND_OTHERS) bus.broadcast(message, this.receiver);
    else bus.send(message);
  }

  #sendFixedToSelf(vector: number): void {
    if (vector < FIRST_LEGAL_VECTOR) this.#error(ESR_SEND_ILLEGAL_VECTOR);
    else this.#deliver(vector, DELIVERY_MODE.fixed, 'edge');
  }

  #writeBase(value: bigint): boolean {
    const legal = this.#base.write(value);
    if (legal && !this.#base.enabled) this.#reset(false);
    this.#update();
    return legal;
  }

  #reset(virtualWire: boolean): void {
    this.#r = initialRegisters(virtualWire);
    for (const set of [this.#isr, this.#tmr, this.#irr]) set.clear();
    this.#timer.reset();
    this.#update();
  }
}

function modeOf(entry: number): number {
  return (entry >> 8) & 7;
}
