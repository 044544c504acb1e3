import { DELIVERY_MODE } from '../../base/interrupt-message.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { LVT_MASKED } from './registers.ts';

export const LOCAL_APIC_VERSION = 1;

/** The local vector table. */
export interface LocalVectorTable {
  timer: number;
  thermal: number;
  performance: number;
  lint0: number;
  lint1: number;
  error: number;
}

/** Registers that INIT resets. */
export interface ApicRegisters {
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  esr: number;
  /** Errors since the ESR was last written. */
  pendingErrors: number;
  icrLow: number;
  icrHigh: number;
  lvt: LocalVectorTable;
  /** An ExtINT message waits to be acknowledged at the 8259A. */
  extIntPending: boolean;
}

/** What the APIC timer remembers. Times are nanoseconds since power-on. */
export interface ApicTimerState {
  /** LVT timer bits 18-17: 0 one-shot, 1 periodic, 2 TSC-deadline. */
  mode: number;
  masked: boolean;
  divideConfiguration: number;
  initialCount: number;
  /** The count at `startNanos`. */
  startCount: number;
  startNanos: bigint;
  /** IA32_TSC_DEADLINE; 0 when disarmed. */
  tscDeadline: bigint;
  /** When the timer expires next, or null when that interrupts nobody. */
  expiryNanos: bigint | null;
}

/** Everything a local APIC remembers. */
export interface LocalApicState extends DeviceState {
  version: typeof LOCAL_APIC_VERSION;
  /** IA32_APIC_BASE. */
  base: bigint;
  registers: ApicRegisters;
  isr: number[];
  tmr: number[];
  irr: number[];
  lint0Level: boolean;
  lint1Level: boolean;
  timer: ApicTimerState;
}

/**
 * The registers after power-on and INIT.
 * @param virtualWire LINT0 is ExtINT and LINT1 is NMI, both unmasked, as firmware leaves the bootstrap processor's
 */
export function initialRegisters(virtualWire: boolean): ApicRegisters {
  return {
    tpr: 0,
    ldr: 0,
    dfr: 0xffff_ffff,
    svr: 0xff,
    esr: 0,
    pendingErrors: 0,
    icrLow: 0,
    icrHigh: 0,
    lvt: {
      timer: LVT_MASKED,
      thermal: LVT_MASKED,
      performance: LVT_MASKED,
      lint0: virtualWire ? DELIVERY_MODE.extInt << 8 : LVT_MASKED,
      lint1: virtualWire ? DELIVERY_MODE.nmi << 8 : LVT_MASKED,
      error: LVT_MASKED,
    },
    extIntPending: false,
  };
}
