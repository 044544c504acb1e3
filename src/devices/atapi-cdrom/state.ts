import type { DeviceState } from '../../machine/interfaces.ts';
import type { MmcState } from './mmc-drive.ts';

export const ATAPI_CDROM_VERSION = 1;

/** A packet command under way. */
export interface Job {
  /** `packet`: the drive waits for the packet itself. `send`: it has bytes for the host. `read`: sectors of the medium */
  readonly kind: 'packet' | 'send' | 'read';
  readonly dma: boolean;
  /** the most bytes of a block of PIO */
  readonly limitBytes: number;
  /** whether sectors are sent with sync, header and checksums */
  readonly raw: boolean;
  /** the next sector, and how many are left from there */
  lba: number;
  sectors: number;
  /** what is in the drive's buffer, and how much of it has been moved */
  chunk: Uint8Array;
  moved: number;
  /** the deadline of the request that the job waits for; undefined while it waits for the host */
  deadlineNanos: bigint | undefined;
}

/** The saved state of the drive. The medium is not part of it; sectors that are being read are read again. */
export interface AtapiCdromState extends DeviceState, MmcState {
  readonly taskFile: DeviceState;
  readonly transferMode: number;
  readonly job: Job | null;
}
