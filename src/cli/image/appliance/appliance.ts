import type { NicModel } from '../../../vm/index.ts';
import type { DiskBus } from '../../drive-options.ts';

/** A machine as an OVF descriptor has it, as far as `vitrine run` can make one like it. */
export interface Appliance {
  readonly name: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly disks: readonly ApplianceDisk[];
  /** A model for each network card. */
  readonly cards: readonly NicModel[];
  /** Whether it starts by UEFI instead of a BIOS. */
  readonly needsUefi: boolean;
}

/** A disk of an appliance. */
export interface ApplianceDisk {
  /** The file that holds it, which lies beside the descriptor. */
  readonly fileName: string;
  /** The length of the file, where that is known. */
  readonly fileBytes?: number;
  /** How large the disk is. */
  readonly sizeBytes: number;
  readonly bus: DiskBus;
}
