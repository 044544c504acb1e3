import type { DeviceState } from '../../machine/interfaces.ts';
import type { Settings } from './identify.ts';

export const ATA_DISK_VERSION = 1;

/** A command that moves data or waits for the disk. */
export interface Job {
  /** `send`: bytes of the drive's own for the host */
  readonly kind: 'read' | 'write' | 'verify' | 'flush' | 'trim' | 'send';
  readonly dma: boolean;
  /** the most bytes of one block */
  readonly blockBytes: number;
  /** whether it ends with the disk's cache being written */
  readonly flushes: boolean;
  /** the next sector on the medium, and how many are left from there */
  lba: number;
  sectors: number;
  /** what is in the drive's buffer, and how much of it has been moved */
  chunk: Uint8Array;
  moved: number;
  /** how many ranges of a list to discard have been looked at */
  ranges: number;
  /** the deadline of the request that the job waits for; undefined while it waits for the host */
  deadlineNanos: bigint | undefined;
}

/** The saved state of a disk. A chunk that is being read is not part of it: it is read again. */
export interface AtaDiskState extends DeviceState {
  readonly taskFile: DeviceState;
  readonly settings: Settings;
  readonly job: Job | null;
}
