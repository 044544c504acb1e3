/** Offsets in the BIOS segment. Code lies behind the fonts, and tables of this machine before them, in pages of their own. */
export const ROM_LAYOUT = {
  tables: 0x0000,
  tablesEnd: 0x4000,
  font16: 0x4000,
  font14: 0x5000,
  /** what INT 10h, AH = 1Bh points to */
  videoStatic: 0x5e00,
  /** what INT 15h, AH = C0h points to */
  systemConfiguration: 0x5e20,
  code: 0x6000,
  font8: 0xc000,
  /** where a PC has its font of 8 × 8 for the first 128 characters */
  font8Low: 0xfa6e,
} as const;
