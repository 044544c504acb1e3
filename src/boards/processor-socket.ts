import type { CpuEnvironment } from '../cpu/environment.ts';
import { CR8_AS_MSR } from '../cpu/system/port.ts';
import type { CoprocessorError } from '../devices/coprocessor-error/coprocessor-error.ts';
import type { LocalApic } from '../devices/local-apic/local-apic.ts';
import type { ApicProcessor } from '../devices/local-apic/wiring.ts';
import type { MmioBus, PortBus } from '../machine/bus.ts';
import type { PageAccess } from '../machine/guest-memory.ts';
import type { DeviceState, IrqLine } from '../machine/interfaces.ts';
import { APIC_PAGE_BYTES } from './pc-map.ts';

/** What the board asks of the processors, by their numbers where it asks one. */
export interface CpuPort {
  /** An interrupt or another request may be waiting: a processor looks before its next instruction. */
  requestEvent(number: number): void;
  /** Says how the processors reach whole pages that have RAM behind them. */
  setPageAccess(gpa: number, length: number, access: PageAccess): void;
  /** Opens or closes the gate of address line 20. */
  setA20(open: boolean): void;
  /** INIT and start-up, as the local APIC receives them. */
  init(number: number): void;
  startUp(number: number, vector: number): void;
}

/** The share of its environment that a processor gets from the board. */
export type ProcessorBus = Omit<CpuEnvironment, 'random' | 'nowNanos' | 'firstWrite'>;

const STATE_VERSION = 1;

/** Where a processor meets the board: its buses, its interrupt pins and its local APIC. */
export class ProcessorSocket implements ProcessorBus {
  /** INTR: high while an interrupt waits. */
  readonly intr: IrqLine = { set: (level) => this.#setIntr(level) };
  readonly #ports: PortBus;
  readonly #mmio: MmioBus;
  readonly #cpu: CpuPort;
  readonly #number: number;
  #localApic: LocalApic | undefined;
  #coprocessorError: CoprocessorError | undefined;
  /** Where the registers of the local APIC are: each processor finds its own there. Infinity: nowhere. */
  #apicGpa = Number.POSITIVE_INFINITY;
  #intrLevel = false;
  #nmiWaits = false;

  constructor(ports: PortBus, mmio: MmioBus, cpu: CpuPort, number: number) {
    this.#number = number;
    this.#ports = ports;
    this.#mmio = mmio;
    this.#cpu = cpu;
  }

  /** What the local APIC tells this processor. */
  get apicProcessor(): ApicProcessor {
    return {
      nmi: () => this.#raiseNmi(),
      init: () => this.#cpu.init(this.#number),
      startUp: (vector) => this.#cpu.startUp(this.#number, vector),
    };
  }

  /** Gives the processor its local APIC, once. Its page moves as IA32_APIC_BASE says. */
  connect(localApic: LocalApic): void {
    this.#localApic = localApic;
    this.#placeApic();
  }

  /** Connects FERR# and IGNNE#, once. */
  connectCoprocessor(error: CoprocessorError): void {
    this.#coprocessorError = error;
  }

  fpuError(rises: boolean): boolean {
    return this.#coprocessorError?.error(rises) ?? false;
  }

  portRead(port: number, bytes: 1 | 2 | 4): number {
    return this.#ports.read(port, bytes);
  }

  portWrite(port: number, bytes: 1 | 2 | 4, value: number): void {
    this.#ports.write(port, bytes, value);
  }

  portReadMany(port: number, bytes: 1 | 2 | 4, target: Uint8Array): number {
    return this.#ports.readMany(port, bytes, target);
  }

  portWriteMany(port: number, bytes: 1 | 2 | 4, source: Uint8Array): number {
    return this.#ports.writeMany(port, bytes, source);
  }

  mmioRead(gpa: number, bytes: 1 | 2 | 4): number {
    const offset = gpa - this.#apicGpa;
    if (offset >= 0 && offset < APIC_PAGE_BYTES) return this.#localApic?.read(offset, bytes) ?? 0;
    return this.#mmio.read(gpa, bytes);
  }

  mmioWrite(gpa: number, bytes: 1 | 2 | 4, value: number): void {
    const offset = gpa - this.#apicGpa;
    if (offset >= 0 && offset < APIC_PAGE_BYTES) this.#localApic?.write(offset, bytes, value);
    else this.#mmio.write(gpa, bytes, value);
  }

  interruptPending(): boolean {
    return this.#intrLevel || this.#nmiWaits;
  }

  /** Whether an NMI waits. */
  get nmiPending(): boolean {
    return this.#nmiWaits;
  }

  acknowledgeInterrupt(): number {
    return this.#intrLevel && this.#localApic ? this.#localApic.acknowledge() : -1;
  }

  takeNmi(): boolean {
    const waits = this.#nmiWaits;
    this.#nmiWaits = false;
    return waits;
  }

  apicRead(msr: number): bigint | undefined {
    if (msr === CR8_AS_MSR) return BigInt((this.#localApic?.taskPriority ?? 0) >> 4);
    return this.#localApic?.readMsr(msr);
  }

  apicWrite(msr: number, value: bigint): boolean {
    if (!this.#localApic) return false;
    if (msr === CR8_AS_MSR) {
      this.#localApic.taskPriority = Number(value & 0xfn) << 4;
      return true;
    }
    const taken = this.#localApic.writeMsr(msr, value);
    this.#placeApic();
    return taken;
  }

  save(): DeviceState {
    return { version: STATE_VERSION, nmiWaits: this.#nmiWaits };
  }

  /** To be called when everything that drives the pins has been restored. */
  restore(state: DeviceState): void {
    this.#nmiWaits = Boolean(state.nmiWaits);
    this.#placeApic();
  }

  #placeApic(): void {
    const apic = this.#localApic;
    this.#apicGpa = apic?.mmioEnabled ? apic.baseGpa : Number.POSITIVE_INFINITY;
  }

  #setIntr(level: boolean): void {
    if (level && !this.#intrLevel) this.#cpu.requestEvent(this.#number);
    this.#intrLevel = level;
  }

  #raiseNmi(): void {
    this.#nmiWaits = true;
    this.#cpu.requestEvent(this.#number);
  }
}
