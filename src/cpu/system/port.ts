import type { CpuState } from '../state.ts';

/** Thrown by system helpers: an exception of the guest. State must be as before the instruction. No Error: traces cost time. */
export class GuestFault {
  readonly vector: number;
  readonly errorCode: number;
  /** @param errorCode pushed where the vector has one */
  constructor(vector: number, errorCode = 0) {
    this.vector = vector;
    this.errorCode = errorCode;
  }
}

/** Thrown by system helpers: a page must be brought in, then the instruction is executed again. */
export class GuestPageIn {
  readonly gpa: number;
  constructor(gpa: number) {
    this.gpa = gpa;
  }
}

/** Thrown when the processor shuts down: a fault while delivering a double fault. */
export class TripleFault extends Error {}

/** The number under which the local APIC's task priority is read and written as CR8: not one that a guest can name. */
export const CR8_AS_MSR = 2 ** 32 + 8;

/** Who makes an access: the current privilege level, or the processor itself for its tables (always supervisor). */
export type Privilege = 'current' | 'system';

/** A value and the linear address that it is stored to. */
export interface PortItem {
  readonly address: bigint;
  readonly value: bigint;
}

/**
 * All that system helpers see of the world. Addresses are linear, wrapped to 32 bits by the caller outside 64-bit mode.
 * Accesses throw {@link GuestFault} (#PF, with CR2 set when delivered; or #GP/#SS for a non-canonical address) and
 * {@link GuestPageIn}.
 */
export interface SystemPort {
  readonly state: CpuState;
  load(address: bigint, bytes: 1 | 2 | 4 | 8, privilege: Privilege): bigint;
  store(address: bigint, bytes: 1 | 2 | 4 | 8, value: bigint, privilege: Privilege): void;
  /**
   * Stores items of `bytes` each. Where all of them go is found out before any is stored, so that nothing is stored where
   * one faults, and tables among what is written over change nothing.
   */
  storeAll(items: readonly PortItem[], bytes: 2 | 4 | 8, privilege: Privilege): void;
  /** Checks that `bytes` at `address` could be stored, so that the stores that follow do not fault. */
  probeWrite(address: bigint, bytes: number, privilege: Privilege): void;
  /** Reads physical memory, as for PAE's page-directory pointers. */
  loadPhysical(gpa: number, bytes: 4 | 8): bigint;
  /** Forgets translations: all, all but global ones, or those of the page at `address`. */
  flushTlb(what: 'all' | 'notGlobal'): void;
  invalidatePage(address: bigint): void;
  /** Tells that CPL, mode, CR0/CR3/CR4/EFER, EFLAGS.AC/VM, the code or a data segment, or A20 has changed: what engines derive is recomputed. */
  contextChanged(): void;
  /**
   * Delivers an event in IA-32e mode where that needs nothing unusual, with all that {@link contextChanged} would do.
   * @param flags EFLAGS as it is pushed  @returns false where nothing was done
   */
  deliverQuickly(vector: number, errorCode: number | undefined, flags: number): boolean;
  /** Asks for a look at pending interrupts before the next instruction (or after it, when `shadow` is set). */
  requestEvent(): void;
  /** Time-stamp counter. */
  tsc(): bigint;
  /** Sets the time-stamp counter, as WRMSR does. */
  setTsc(value: bigint): void;
  portRead(port: number, bytes: 1 | 2 | 4): number;
  portWrite(port: number, bytes: 1 | 2 | 4, value: number): void;
  /**
   * Does what `length` bytes of accesses to a port, one after the other, would do, as far as nothing else comes of them:
   * from or to host memory at `host`. @returns bytes moved, a multiple of `bytes`
   */
  portReadMany(port: number, bytes: 1 | 2 | 4, host: number, length: number): number;
  portWriteMany(port: number, bytes: 1 | 2 | 4, host: number, length: number): number;
  /** The local APIC's share of the MSRs, and CR8 (as {@link CR8_AS_MSR}). Undefined: no such MSR, #GP. */
  apicRead(msr: number): bigint | undefined;
  /** @returns false where the MSR or value is refused with #GP */
  apicWrite(msr: number, value: bigint): boolean;
  /**
   * FERR# is asserted, which a PC turns into IRQ 13; absent where nothing is connected to it.
   * @param rises whether it was not asserted before
   * @returns whether IGNNE# is asserted, so that the x87 goes on all the same (SDM 1, D.2.1)
   */
  readonly fpuError?: (rises: boolean) => boolean;
  /** PAUSE, while other processors have something to do. */
  pause(): void;
  /** Has writes to the line at a linear address told, as MONITOR asks. */
  monitor(address: bigint): void;
  /** Number of this vCPU, its initial APIC id. */
  readonly apicId: number;
  /** 64 random bits from the machine's own source. */
  random(): bigint;
}
