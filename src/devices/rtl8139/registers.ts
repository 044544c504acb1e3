/** Registers of the RTL8139C (Realtek RTL8139C data sheet, 5). */
export const REG = {
  idr: 0x00,
  mar: 0x08,
  tsd: 0x10,
  tsad: 0x20,
  rbstart: 0x30,
  erbcr: 0x34,
  cr: 0x37,
  capr: 0x38,
  cbr: 0x3a,
  imr: 0x3c,
  isr: 0x3e,
  tcr: 0x40,
  rcr: 0x44,
  tctr: 0x48,
  mpc: 0x4c,
  cr9346: 0x50,
  config1: 0x52,
  msr: 0x58,
  config3: 0x59,
  config4: 0x5a,
  allStatus: 0x60,
  bmcr: 0x62,
  bmsr: 0x64,
  anar: 0x66,
  anlpar: 0x68,
  aner: 0x6a,
  config5: 0xd8,
} as const;

export const REGISTER_BYTES = 0x100;

export const CR = { bufferEmpty: 1, transmit: 4, receive: 8, reset: 0x10 } as const;
export const INT = { rok: 1, tok: 4, rxovw: 0x10, linkChange: 0x20, fovw: 0x40, timeout: 0x4000 } as const;
export const INT_ALL = 0xe07f;
export const TSD = { size: 0x1fff, own: 1 << 13, tok: 1 << 15, carrierLost: 0x80000000 } as const;
export const RCR = { all: 1, own: 2, multicast: 4, broadcast: 8, wrap: 0x80 } as const;
/** The chip's version, in TCR. */
export const TCR_VERSION = 0x74000000;
const TCR_WRITABLE = 0x03060ff0;

/** Configuration registers and addresses can be written in this mode of 9346CR alone. */
export const EEM_CONFIG = 0xc0;

/** Registers that keep what is written: first byte, bytes, writable bits of each byte, whether only in the mode above. */
export const PLAIN_REGISTERS: readonly (readonly [first: number, count: number, mask: number, locked: boolean])[] = [
  [REG.idr, 6, 0xff, true],
  [REG.mar, 8, 0xff, false],
  [REG.tsad, 16, 0xff, false],
  [REG.rbstart, 4, 0xff, false],
  [REG.rcr, 4, 0xff, false],
  [REG.config1, 1, 0xcd, true],
  [REG.config3, 1, 0x21, true],
  [REG.config4, 1, 0xfb, true],
  [REG.bmcr, 2, 0x31, false],
  [REG.anar, 2, 0xff, false],
  [REG.config5, 1, 0xff, true],
];

/** Registers that are not zero after reset: offset, bytes, value. */
export const RESET_VALUES: readonly (readonly [offset: number, size: 1 | 2 | 4, value: number])[] = [
  ...[0, 1, 2, 3].map((index) => [REG.tsd + index * 4, 4, TSD.own] as const),
  [REG.capr, 2, 0xfff0],
  [REG.tcr, 4, TCR_VERSION],
  [REG.config1, 1, 0x0c],
  [REG.bmcr, 2, 0x3100],
  [REG.bmsr, 2, 0x782d], // link up, negotiation complete
  [REG.anar, 2, 0x05e1],
  [REG.anlpar, 2, 0x45e1],
  [REG.aner, 2, 0x0001],
];

/** What TCR keeps of a write. */
export function transmitConfiguration(value: number): number {
  return ((value & TCR_WRITABLE) | TCR_VERSION) >>> 0;
}
