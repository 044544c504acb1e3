import type { DeviceState } from '../../machine/interfaces.ts';

export const IO_APIC_VERSION = 1;

/** One entry of the redirection table: bits 31-0 and 63-32. */
export interface RedirectionEntry {
  low: number;
  high: number;
}

/** Everything an {@link IoApic} remembers. */
export interface IoApicState extends DeviceState {
  version: typeof IO_APIC_VERSION;
  /** The register that IOREGSEL names. */
  select: number;
  /** Bits 27-24 of IOAPICID. */
  id: number;
  entries: RedirectionEntry[];
  /** Bit n: pin n is asserted. */
  levels: number;
}
