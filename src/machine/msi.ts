import type { MessageSink } from './interfaces.ts';
import type { PciCapability } from './pci.ts';

const CAPABILITY_MSI = 0x05;
/** Message control (PCI 3.0 section 6.8.1.3), by byte. */
const CONTROL_ENABLE = 0x01;
const CONTROL_MULTIPLE_CAPABLE_SHIFT = 1;
const CONTROL_MULTIPLE_ENABLE = 0x70;
const CONTROL_64BIT = 0x80;
/** Offsets after identity and link. */
const ADDRESS = 2;
const DATA = 10;
const CAPABILITY_BYTES = 12;
/** What begins the address of a message to a local APIC (Intel SDM 3A 11.11.1). */
const APIC_ADDRESS = 0xfee;

/** Sends a message where it is one to a local APIC: no other address is of any use, and none reaches memory. */
export function sendMessage(sink: MessageSink, addressLow: number, addressHigh: number, data: number): void {
  if (addressLow >>> 20 === APIC_ADDRESS && addressHigh === 0) sink.message(addressLow, data);
}

/** The MSI capability of a function: 64-bit addresses, no masking (PCI 3.0 section 6.8.1). */
export class Msi {
  readonly capability: PciCapability;
  readonly #sink: MessageSink;
  #bytes: Uint8Array;

  /** @param vectorsLog2 the function has 2 to this power messages; 0 to 5 */
  constructor(vectorsLog2: number, sink: MessageSink) {
    this.#sink = sink;
    const bytes = new Uint8Array(CAPABILITY_BYTES);
    bytes[0] = CONTROL_64BIT | (vectorsLog2 << CONTROL_MULTIPLE_CAPABLE_SHIFT);
    const writable = new Uint8Array(CAPABILITY_BYTES).fill(0xff);
    writable.set([CONTROL_ENABLE | CONTROL_MULTIPLE_ENABLE, 0, 0xfc]);
    this.#bytes = bytes;
    this.capability = { id: CAPABILITY_MSI, bytes, writable, changed: (now) => (this.#bytes = now) };
  }

  /** Whether the guest wants messages instead of the interrupt pin. */
  get enabled(): boolean {
    return (this.#bytes[0] & CONTROL_ENABLE) !== 0;
  }

  /** Sends a message, if messages are enabled. The guest may have granted fewer than there are vectors: they share. */
  signal(vector: number): void {
    if (!this.enabled) return;
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    const low = (1 << Math.min(5, (this.#bytes[0] & CONTROL_MULTIPLE_ENABLE) >> 4)) - 1;
    const data = (view.getUint16(DATA, true) & ~low) | (vector & low);
    sendMessage(this.#sink, view.getUint32(ADDRESS, true), view.getUint32(ADDRESS + 4, true), data);
  }
}
