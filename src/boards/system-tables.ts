import type { TableSet } from './table-loader.ts';

/** The tables by which systems find out about the machine, before they have a place. */
export interface SystemTables {
  readonly acpi: TableSet;
  /** SMBIOS structures. */
  readonly smbios: Uint8Array;
}
