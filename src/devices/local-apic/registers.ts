import type { LocalVectorTable } from './state.ts';

/** Register numbers: the MMIO offset divided by 16, and the x2APIC MSR less 800h (Intel SDM 3A tables 11-1, 11-6). */
export const REG = {
  id: 0x02,
  version: 0x03,
  tpr: 0x08,
  apr: 0x09,
  ppr: 0x0a,
  eoi: 0x0b,
  rrd: 0x0c,
  ldr: 0x0d,
  dfr: 0x0e,
  svr: 0x0f,
  isr: 0x10,
  tmr: 0x18,
  irr: 0x20,
  esr: 0x28,
  icrLow: 0x30,
  icrHigh: 0x31,
  lvtTimer: 0x32,
  lvtThermal: 0x33,
  lvtPerformance: 0x34,
  lvtLint0: 0x35,
  lvtLint1: 0x36,
  lvtError: 0x37,
  initialCount: 0x38,
  currentCount: 0x39,
  divideConfiguration: 0x3e,
  selfIpi: 0x3f,
} as const;

/** Version 14h with six local vector table entries, no EOI-broadcast suppression. */
export const APIC_VERSION = 0x0005_0014;

export const SVR_ENABLE = 0x100;
export const LVT_MASKED = 0x1_0000;
export const LVT_REMOTE_IRR = 0x4000;
export const LVT_LEVEL = 0x8000;
export const LVT_TIMER_MODE_SHIFT = 17;
export const ICR_ASSERT = 0x4000;
export const ICR_LEVEL = 0x8000;
export const ICR_LOGICAL = 0x800;
export const ICR_WRITABLE = 0xc_cfff;
export const ESR_SEND_ILLEGAL_VECTOR = 0x20;
export const ESR_RECEIVED_ILLEGAL_VECTOR = 0x40;
export const ESR_ILLEGAL_REGISTER = 0x80;

export const APIC_BASE_MSR = 0x1b;
export const TSC_DEADLINE_MSR = 0x6e0;
export const X2APIC_FIRST_MSR = 0x800;
export const X2APIC_LAST_MSR = 0x8ff;

/** Bits that software can set, by register; a bit outside makes WRMSR fault in x2APIC mode. */
export const WRITABLE: Readonly<Record<number, number>> = {
  [REG.tpr]: 0xff,
  [REG.eoi]: 0,
  [REG.ldr]: 0xff00_0000,
  [REG.dfr]: 0xf000_0000,
  [REG.svr]: 0x3ff,
  [REG.esr]: 0,
  [REG.icrLow]: 0xc_dfff,
  [REG.icrHigh]: 0xff00_0000,
  [REG.lvtTimer]: 0x7_00ff,
  [REG.lvtThermal]: 0x1_07ff,
  [REG.lvtPerformance]: 0x1_07ff,
  [REG.lvtLint0]: 0x1_a7ff,
  [REG.lvtLint1]: 0x1_a7ff,
  [REG.lvtError]: 0x1_00ff,
  [REG.initialCount]: 0xffff_ffff,
  [REG.divideConfiguration]: 0x0b,
  [REG.selfIpi]: 0xff,
};

/** What x2APIC mode lets nobody write or lacks (Intel SDM 3A, table 11-6); the upper half of ICR is part of the lower's MSR. */
export const X2APIC_READ_ONLY: ReadonlySet<number> = new Set([REG.ldr, REG.dfr, REG.icrHigh]);

/** The local vector table's entries by register. */
export const LVT_OF: Readonly<Record<number, keyof LocalVectorTable>> = {
  [REG.lvtTimer]: 'timer',
  [REG.lvtThermal]: 'thermal',
  [REG.lvtPerformance]: 'performance',
  [REG.lvtLint0]: 'lint0',
  [REG.lvtLint1]: 'lint1',
  [REG.lvtError]: 'error',
};
