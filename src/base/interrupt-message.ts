/** What an interrupt message asks of the local APIC that receives it (Intel SDM 3A 11.6.1, "Delivery Mode"). */
export const DELIVERY_MODE = {
  fixed: 0,
  lowestPriority: 1,
  smi: 2,
  nmi: 4,
  init: 5,
  startUp: 6,
  extInt: 7,
} as const;

/** An interrupt on its way to one or more local APICs, from an I/O APIC, another local APIC or a device (MSI). */
export interface InterruptMessage {
  /** 0 to 255. */
  readonly vector: number;
  /** One of {@link DELIVERY_MODE}; 3 is reserved. */
  readonly deliveryMode: number;
  /** An APIC ID, or a set of logical IDs: 8 bits, or 32 from an x2APIC. */
  readonly destination: number;
  readonly destinationMode: 'physical' | 'logical';
  readonly triggerMode: 'edge' | 'level';
}

/** Decodes a message-signalled interrupt: a write of `data` to `address` (Intel SDM 3A 11.11). */
export function interruptMessageOfMsi(address: number, data: number): InterruptMessage {
  return {
    vector: data & 0xff,
    deliveryMode: (data >> 8) & 7,
    destination: (address >>> 12) & 0xff,
    destinationMode: address & 4 ? 'logical' : 'physical',
    triggerMode: data & 0x8000 ? 'level' : 'edge',
  };
}
