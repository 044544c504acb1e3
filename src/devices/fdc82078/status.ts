/** Bits of the status registers that results hold (82078 data sheet, section 6). */
export const ST0 = {
  abnormal: 0x40,
  invalid: 0x80,
  polling: 0xc0,
  seekEnd: 0x20,
  equipmentCheck: 0x10,
  head: 0x04,
} as const;
export const ST1 = {
  endOfCylinder: 0x80,
  overrun: 0x10,
  noData: 0x04,
  notWritable: 0x02,
  missingMark: 0x01,
  dataError: 0x20,
} as const;
export const ST2 = { controlMark: 0x40, dataError: 0x20, wrongCylinder: 0x10 } as const;
export const ST3 = { writeProtected: 0x40, ready: 0x20, track0: 0x10, twoSides: 0x08, head: 0x04 } as const;
