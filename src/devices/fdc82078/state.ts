import type { DeviceState } from '../../machine/interfaces.ts';
import type { FloppyDriveState } from './floppy-drive.ts';

export const FDC_VERSION = 1;

/** A command that moves data. */
export interface Transfer {
  readonly kind: 'read' | 'write' | 'verify' | 'format';
  readonly drive: number;
  readonly multiTrack: boolean;
  readonly eot: number;
  readonly deleted: boolean;
  /** the byte that FORMAT TRACK fills sectors with */
  readonly filler: number;
  readonly cylinder: number;
  head: number;
  /** the first sector of the chunk */
  sector: number;
  /** data between the host and the medium, and how much of it the host has moved */
  chunk: Uint8Array;
  moved: number;
  /** whether the host has said that this was all */
  terminated: boolean;
  /** identities in the chunk that FORMAT TRACK has worked off */
  formatted: number;
  /** the deadline of the request that the transfer waits for; undefined while it waits for the host */
  deadlineNanos: bigint | undefined;
}

/** What the settings commands have set. */
export interface FdcSettings {
  readonly specify: readonly [number, number];
  readonly configuration: number;
  readonly precompensationTrack: number;
  readonly perpendicular: number;
  readonly locked: boolean;
  readonly lastCount: number;
}

/** The saved state of the controller. */
export interface FdcState extends DeviceState {
  readonly dor: number;
  readonly tdr: number;
  readonly rate: number;
  readonly settings: FdcSettings;
  readonly command: readonly number[];
  readonly result: readonly number[];
  readonly events: readonly number[];
  readonly seeking: number;
  readonly interrupt: boolean;
  readonly transfer: Transfer | null;
  readonly drives: readonly FloppyDriveState[];
}
