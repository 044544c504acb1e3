/** ATA commands of a packet device (ATA/ATAPI-7 volume 1, section 4.3). */
export const COMMAND = {
  deviceReset: 0x08,
  diagnose: 0x90,
  packet: 0xa0,
  identifyPacket: 0xa1,
  checkPower: 0xe5,
  identify: 0xec,
  setFeatures: 0xef,
} as const;
/** FLUSH CACHE and the power commands: nothing to do. */
export const DONE_COMMANDS = [0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0xe7];

/** Operation codes of packets (MMC-5 section 6, MMC-3 section 5). */
export const OP = {
  testUnitReady: 0x00,
  requestSense: 0x03,
  inquiry: 0x12,
  modeSense6: 0x1a,
  startStop: 0x1b,
  preventRemoval: 0x1e,
  readCapacity: 0x25,
  read10: 0x28,
  seek: 0x2b,
  synchronizeCache: 0x35,
  readSubChannel: 0x42,
  readToc: 0x43,
  getConfiguration: 0x46,
  getEventStatus: 0x4a,
  readDiscInformation: 0x51,
  modeSense10: 0x5a,
  read12: 0xa8,
  setCdSpeed: 0xbb,
  mechanismStatus: 0xbd,
  readCd: 0xbe,
} as const;

/** Operations that neither report a unit attention nor need a medium. */
export const ALWAYS: readonly number[] = [OP.requestSense, OP.inquiry, OP.getConfiguration, OP.getEventStatus];
/** Operations that fail without a medium. */
export const NEEDS_MEDIUM: readonly number[] = [
  OP.testUnitReady,
  OP.readCapacity,
  OP.read10,
  OP.seek,
  OP.readSubChannel,
  OP.readToc,
  OP.readDiscInformation,
  OP.read12,
  OP.readCd,
];
