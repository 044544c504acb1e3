import type { JitOptions } from './engine.ts';

/** What a processor is connected to. Port and MMIO accesses run device code. */
export interface CpuEnvironment {
  portRead(port: number, bytes: 1 | 2 | 4): number;
  portWrite(port: number, bytes: 1 | 2 | 4, value: number): void;
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
  /** A page flagged TRACKED or SCREEN is about to change; `flags` are those that were set. */
  firstWrite(pageGpa: number, flags: number): void;
}

/** Facts about a vCPU. */
export interface CpuOptions {
  readonly apicId: number;
  readonly tscHz: number;
  readonly apicTimerHz: number;
  /** When given, hot code is translated. */
  readonly jit?: JitOptions;
}
