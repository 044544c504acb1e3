import type { BlockRegister } from '../machine/interfaces.ts';
import type { ClockPace } from '../machine/virtual-time.ts';
import type { HandlerStore } from './handler-library.ts';
import type { JitOptions, MachineCode } from './machine-code.ts';

/** What a processor is connected to. Port and MMIO accesses run device code. */
export interface CpuEnvironment {
  portRead(port: number, bytes: 1 | 2 | 4): number;
  portWrite(port: number, bytes: 1 | 2 | 4, value: number): void;
  /** As {@link BlockRegister.readMany} at a port; absent where there is none such. @returns bytes filled */
  portReadMany?(port: number, bytes: 1 | 2 | 4, target: Uint8Array): number;
  /** As {@link BlockRegister.writeMany}. @returns bytes taken */
  portWriteMany?(port: number, bytes: 1 | 2 | 4, source: Uint8Array): number;
  mmioRead(gpa: number, bytes: 1 | 2 | 4): number;
  mmioWrite(gpa: number, bytes: 1 | 2 | 4, value: number): void;
  /** Whether an interrupt or an NMI waits for the processor, whatever its IF says. */
  interruptPending(): boolean;
  /** Takes the interrupt: its vector, or -1 when it has gone away meanwhile. */
  acknowledgeInterrupt(): number;
  /** Takes a waiting NMI. @returns whether there was one */
  takeNmi(): boolean;
  /** The local APIC's share of the MSRs, and CR8. Undefined: no such MSR. */
  apicRead(msr: number): bigint | undefined;
  apicWrite(msr: number, value: bigint): boolean;
  /** 64 random bits from the machine's own source. */
  random(): bigint;
  /** Nanoseconds since power-on; exact while guest code asks. */
  nowNanos(): bigint;
  /** How that goes on while this processor runs guest code, by the instructions of all; undefined: it must be asked. */
  pace?(): ClockPace | undefined;
  /** Instructions that the machine's other processors have retired; none without it. */
  retiredElsewhere?(): number;
  /** An x87 instruction waits with FERR# asserted. `rises`: it was not before. @returns whether IGNNE# is asserted */
  fpuError?(rises: boolean): boolean;
  /** The guest has set its time-stamp counter. */
  tscChanged?(): void;
  /**
   * An undefined opcode lies at STATE.rip: whether it calls the machine's own firmware, which has then done its work and
   * moved RIP. An error it throws is that of the instruction, which has not happened.
   * @throws {GuestFault} @throws {GuestPageIn}
   */
  firmwareCall?(): boolean;
  /** A processor spins until another has done something: the others are to run. Called only where STATE.pauseYields is set. */
  pause?(): void;
  /** The processor monitors the line at `gpa` from now on: the next write to its page must be told ({@link firstWrite}). */
  monitor?(gpa: number): void;
  /** A page with flags of PAGE_FIRST_WRITE is about to change; `flags` are those that were set. */
  firstWrite(pageGpa: number, flags: number): void;
}

/** Facts about a vCPU. */
export interface CpuOptions {
  /** Its initial APIC ID. All but 0 wait for a start-up IPI after a reset. */
  readonly apicId: number;
  /** Processors of the machine: cores of one package with APIC IDs from 0. Default 1. */
  readonly cpuCount?: number;
  readonly tscHz: number;
  readonly apicTimerHz: number;
  /** When given, hot code is translated. */
  readonly jit?: JitOptions;
  /** Where compiled handlers are kept from run to run; absent: nowhere. */
  readonly handlers?: HandlerStore;
  /** What the machine's processors share, where this is not its first; then `jit` and `handlers` mean nothing. */
  readonly code?: MachineCode;
}
