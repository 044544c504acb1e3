/** Addresses in the BIOS data area (IBM PS/2 and PC BIOS Interface Technical Reference, "ROM BIOS data areas"). */
export const BDA = {
  com: 0x400,
  lpt: 0x408,
  ebdaSegment: 0x40e,
  equipment: 0x410,
  memoryK: 0x413,
  keyFlags: 0x417,
  keyFlags2: 0x418,
  altInput: 0x419,
  keyHead: 0x41a,
  keyTail: 0x41c,
  keyBuffer: 0x41e,
  floppyRecalibrated: 0x43e,
  floppyMotor: 0x43f,
  floppyTimeout: 0x440,
  floppyStatus: 0x441,
  videoMode: 0x449,
  columns: 0x44a,
  pageBytes: 0x44c,
  pageStart: 0x44e,
  cursor: 0x450,
  cursorShape: 0x460,
  page: 0x462,
  crtcPort: 0x463,
  modeControl: 0x465,
  paletteMask: 0x466,
  resumeVector: 0x467,
  ticks: 0x46c,
  midnight: 0x470,
  breakPressed: 0x471,
  resetFlag: 0x472,
  diskStatus: 0x474,
  diskCount: 0x475,
  lptTimeout: 0x478,
  comTimeout: 0x47c,
  keyBufferStart: 0x480,
  keyBufferEnd: 0x482,
  lastRow: 0x484,
  charHeight: 0x485,
  videoControl: 0x487,
  videoSwitches: 0x488,
  videoFlags: 0x489,
  diskIrq: 0x48e,
  keyFlags3: 0x496,
  keyLeds: 0x497,
  waitFlagPointer: 0x498,
  waitMicros: 0x49c,
  waitActive: 0x4a0,
  videoSavePointer: 0x4a8,
} as const;

/** What the BIOS keeps in the extended BIOS data area, as offsets from its segment. */
export const EBDA = {
  sizeK: 0x00,
  /** PS/2 mouse: handler, then its state. */
  mouseHandler: 0x22,
  mouseFlags1: 0x26,
  mouseFlags2: 0x27,
  mouseData: 0x28,
  /** The format of the medium in each floppy drive; see floppy.ts. */
  media: 0x38,
  /** The disk service under way; see disk.ts. */
  request: 0x40,
  /** The boot under way; see boot.ts. */
  boot: 0x60,
  /** Not 0: the BIOS's messages go to COM1 too. */
  serialConsole: 0x7e,
  /** Segment where the next option ROM may lie. */
  optionRom: 0x7c,
  /** What is known of each drive; see disk.ts. */
  drives: 0x80,
  /** Address packet of the boot. */
  packet: 0x1c0,
  /** Where sectors are kept that only a part of is wanted of, 2 KiB. */
  sector: 0x200,
  /** AHCI: received frames, command list, command table, each aligned as the controller wants it; see disk/ahci.ts. */
  ahciFis: 0x0a00,
  ahciList: 0x0c00,
  ahciTable: 0x0c80,
  /** The queue of virtio disks, and the place of the one that it belongs to; see disk/virtio.ts. */
  virtioQueue: 0x0e00,
  virtioOwner: 0x0eb0,
  bytes: 0x0f00,
} as const;
/** The last kilobytes below 640 KiB. */
export const EBDA_BYTES = 0x1000;
export const EBDA_SEGMENT = (0xa0000 - EBDA_BYTES) >> 4;
export const EBDA_GPA = EBDA_SEGMENT << 4;
