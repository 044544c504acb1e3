import type { Disk } from './disk-queue.ts';
import type { DeviceState } from './interfaces.ts';

/** A range of a disk, in bytes. */
export interface ScsiExtent {
  readonly offset: number;
  readonly length: number;
}

/** What a command comes to. Requests of the disk are made by whoever carries the command. */
export type ScsiOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | ({ readonly kind: 'read' } & ScsiExtent)
  /** `durable`: on stable storage when it ends. */
  | ({ readonly kind: 'write'; readonly durable: boolean } & ScsiExtent)
  | { readonly kind: 'discard' | 'writeZeroes'; readonly extents: readonly ScsiExtent[] }
  | { readonly kind: 'fail'; readonly sense: Sense };

/** A logical unit: a disk or a drive that takes SCSI commands, whatever carries them (SAM-5). */
export interface ScsiUnit {
  /** What requests go to; undefined without a medium. */
  readonly disk: Disk | undefined;
  /** @param cdb the command  @param parameters the data that comes with one that has a parameter list: up to {@link MOST_PARAMETER_BYTES} */
  execute(cdb: Uint8Array, parameters: Uint8Array): ScsiOutcome;
  save(): DeviceState;
  restore(state: DeviceState): void;
}

/** The longest parameter list that units look at. */
export const MOST_PARAMETER_BYTES = 4096;

/** What a command failed with: sense key, additional sense code and its qualifier (SPC-3 annex D, MMC-5 annex F). */
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
  writeError: { key: 3, asc: 0x0c, ascq: 0x00 },
  invalidParameters: { key: 5, asc: 0x26, ascq: 0x00 },
  parameterListLength: { key: 5, asc: 0x1a, ascq: 0x00 },
  removalPrevented: { key: 5, asc: 0x53, ascq: 0x02 },
  writeProtected: { key: 7, asc: 0x27, ascq: 0x00 },
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

/** The bytes of a number of 16 bits in data of a unit, which has the most significant one first (SPC-3 section 3.4). */
export function be16(value: number): [number, number] {
  return [(value >> 8) & 0xff, value & 0xff];
}

/** As {@link be16}, of 32 bits. */
export function be32(value: number): [number, number, number, number] {
  return [value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}
