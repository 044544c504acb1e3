import type { DeviceState } from '../../machine/interfaces.ts';

export const MC146818_VERSION = 1;

/** Everything an {@link Mc146818} remembers. */
export interface Mc146818State extends DeviceState {
  version: typeof MC146818_VERSION;
  /** The address in port 70h (bits 6-0). */
  index: number;
  /** The address in port 72h (bits 6-0). */
  extendedIndex: number;
  /** The 14 registers and 114 bytes of memory; register C without IRQF, register A without UIP. */
  ram: Uint8Array;
  extendedRam: Uint8Array;
  /** When the second began that the time registers show. */
  secondStartNanos: bigint;
  /** Up to when the flags of register C are accounted for. */
  flagsNanos: bigint;
}
