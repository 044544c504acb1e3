/** Addresses in the BIOS segment that programs call or read without asking (IBM BIOS Interface Technical Reference). */
const FIXED_ENTRIES: readonly (readonly [offset: number, source: string])[] = [
  [0xe05b, 'jmp start'],
  [0xe2c3, 'iret'], // NMI
  [0xe3fe, 'jmp int13'],
  [0xe6f2, 'jmp int19'],
  [0xe739, 'jmp int14'],
  [0xe82e, 'jmp int16'],
  [0xe987, 'jmp int09'],
  [0xec59, 'jmp int13'],
  [0xef57, 'jmp int0e'],
  // Diskette parameters: step rate, head load, motor off, 512 bytes, sectors, gaps, filler, head settle, motor start.
  [0xefc7, 'db 0xaf, 0x02, 0x25, 0x02, 0x12, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08'],
  [0xefd2, 'jmp int17'],
  [0xf065, 'jmp int10'],
  [0xf841, 'jmp int12'],
  [0xf84d, 'jmp int11'],
  [0xf859, 'jmp int15'],
  [0xfe6e, 'jmp int1a'],
  [0xfea5, 'jmp int08'],
  [0xff53, 'iret'],
  [0xff54, 'iret'], // print screen
  [0xfff0, 'jmp 0xf000:0xe05b'],
  [0xfff5, 'db "01/01/26", 0, 0xfc'],
];

/** The end of the BIOS segment. */
export const FIXED_SOURCE = FIXED_ENTRIES.map(([offset, source]) => `org ${offset}\n${source}`).join('\n');
