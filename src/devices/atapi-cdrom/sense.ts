/** What a command failed with: sense key, additional sense code and its qualifier (MMC-5 annex F). */
export interface Sense {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}

const SENSE_BYTES = 18;
const CURRENT_ERROR = 0x70;

export const SENSE = {
  none: { key: 0, asc: 0, ascq: 0 },
  trayClosedNoMedium: { key: 2, asc: 0x3a, ascq: 0x01 },
  trayOpen: { key: 2, asc: 0x3a, ascq: 0x02 },
  readError: { key: 3, asc: 0x11, ascq: 0x00 },
  invalidCommand: { key: 5, asc: 0x20, ascq: 0x00 },
  addressOutOfRange: { key: 5, asc: 0x21, ascq: 0x00 },
  invalidField: { key: 5, asc: 0x24, ascq: 0x00 },
  savingNotSupported: { key: 5, asc: 0x39, ascq: 0x00 },
  removalPrevented: { key: 5, asc: 0x53, ascq: 0x02 },
  wrongMode: { key: 5, asc: 0x64, ascq: 0x00 },
  mediumChanged: { key: 6, asc: 0x28, ascq: 0x00 },
} as const satisfies Record<string, Sense>;

/** Sense data in the fixed format (SPC-3 section 4.5.3). */
export function senseData({ key, asc, ascq }: Sense): Uint8Array {
  const bytes = new Uint8Array(SENSE_BYTES);
  bytes[0] = CURRENT_ERROR;
  bytes[2] = key;
  bytes[7] = SENSE_BYTES - 8;
  bytes[12] = asc;
  bytes[13] = ascq;
  return bytes;
}
