import { requireVersion } from '../base/state-version.ts';
import type { DeviceState, MessageSink } from './interfaces.ts';
import { sendMessage } from './msi.ts';
import type { PciCapability } from './pci.ts';

const CAPABILITY_MSIX = 0x11;
/** Upper byte of message control (PCI 3.0 section 6.8.2.3). */
const CONTROL_ENABLE = 0x80;
const CONTROL_FUNCTION_MASK = 0x40;
const ENTRY_BYTES = 16;
/** Words of a table entry: message address, upper address, data, vector control. */
const ENTRY_WORDS = 4;
const VECTOR_CONTROL = 3;
const VECTOR_MASKED = 1;
const STATE_VERSION = 1;

/** Bytes of the range that holds the table and the pending bits of up to 128 vectors. */
export const MSIX_RANGE_BYTES = 0x1000;
const PBA_OFFSET = 0x800;

/**
 * The MSI-X capability of a function, its table and its pending bits (PCI 3.0 section 6.8.2). Table and pending bits
 * fill a range of their own behind one base address register: this is the chip to map there.
 */
export class Msix {
  readonly capability: PciCapability;
  readonly vectors: number;
  readonly #sink: MessageSink;
  readonly #table: Uint32Array;
  readonly #pending: Uint32Array;
  #control = 0;

  /** @param vectors 1 to 128  @param bar the register behind which the range of MSIX_RANGE_BYTES lies, 0 to 5 */
  constructor(vectors: number, bar: number, sink: MessageSink) {
    this.vectors = vectors;
    this.#sink = sink;
    this.#table = new Uint32Array(vectors * ENTRY_WORDS);
    this.#pending = new Uint32Array(Math.ceil(vectors / 64) * 2);
    for (let vector = 0; vector < vectors; vector++) this.#table[controlOf(vector)] = VECTOR_MASKED;
    const bytes = new Uint8Array(10);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, vectors - 1, true);
    view.setUint32(2, bar, true);
    view.setUint32(6, PBA_OFFSET | bar, true);
    const writable = new Uint8Array(10);
    writable[1] = CONTROL_ENABLE | CONTROL_FUNCTION_MASK;
    this.capability = { id: CAPABILITY_MSIX, bytes, writable, changed: (now) => this.#configured(now[1]) };
  }

  /** Whether the guest wants messages instead of the interrupt pin. */
  get enabled(): boolean {
    return (this.#control & CONTROL_ENABLE) !== 0;
  }

  /** Sends a vector's message, or remembers it while the vector is masked. Does nothing while MSI-X is off, nor for a vector that is not there. */
  signal(vector: number): void {
    if (!this.enabled || !(vector >= 0 && vector < this.vectors)) return;
    if (this.#masked(vector)) this.#pending[vector >> 5] |= 1 << (vector & 31);
    else this.#send(vector);
  }

  /** @param size 1, 2 or 4; only dwords are defined */
  read(offset: number, size: number): number {
    if (size !== 4) return 0;
    if (offset < this.vectors * ENTRY_BYTES) return this.#table[offset / 4];
    return this.#pending[(offset - PBA_OFFSET) / 4] ?? 0;
  }

  write(offset: number, size: number, value: number): void {
    if (size !== 4 || offset >= this.vectors * ENTRY_BYTES) return;
    this.#table[offset / 4] = offset % ENTRY_BYTES === VECTOR_CONTROL * 4 ? value & VECTOR_MASKED : value;
    this.#sendUnmasked();
  }

  /** The table and the pending bits; what the capability says is part of configuration space. */
  save(): DeviceState {
    return { version: STATE_VERSION, table: [...this.#table], pending: [...this.#pending] };
  }

  /** Nothing is sent: what is unmasked and pending does not exist in a saved state. @throws {Error} unknown version */
  restore(state: DeviceState): void {
    requireVersion('Msix', state.version, STATE_VERSION);
    this.#pending.set(state.pending as number[]);
    this.#table.set(state.table as number[]);
  }

  #configured(control: number): void {
    this.#control = control;
    this.#sendUnmasked();
  }

  #masked(vector: number): boolean {
    const entry = this.#table[controlOf(vector)] & VECTOR_MASKED;
    return entry !== 0 || (this.#control & CONTROL_FUNCTION_MASK) !== 0;
  }

  #sendUnmasked(): void {
    if (!this.enabled || this.#pending.every((word) => word === 0)) return;
    for (let vector = 0; vector < this.vectors; vector++) {
      const bit = 1 << (vector & 31);
      if ((this.#pending[vector >> 5] & bit) === 0 || this.#masked(vector)) continue;
      this.#pending[vector >> 5] &= ~bit;
      this.#send(vector);
    }
  }

  #send(vector: number): void {
    const at = vector * ENTRY_WORDS;
    sendMessage(this.#sink, this.#table[at], this.#table[at + 1], this.#table[at + 2]);
  }
}

function controlOf(vector: number): number {
  return vector * ENTRY_WORDS + VECTOR_CONTROL;
}
