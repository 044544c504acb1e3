import { readGuest, writeGuest } from '../../machine/dma.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';

const HEADER_BYTES = 32;
const HEADER_COUNT_OFFSET = 4;
const HEADER_FIELDS_BYTES = 16;
const ATAPI_COMMAND_OFFSET = 0x40;
const REGIONS_OFFSET = 0x80;
const REGION_BYTES = 16;
const REGION_COUNT = 0x3fffff;
const FIS_BYTES = 20;
const ATAPI_COMMAND_BYTES = 16;
/** No PC has memory beyond: what lies there reads as ones. */
const MOST_ADDRESS_HIGH = 0xfffff;

/** A command header and its table (AHCI 1.3.1 sections 4.2.2 and 4.2.3). */
export interface CommandHeader {
  readonly atapi: boolean;
  readonly regions: number;
  readonly tableGpa: number;
}

/** Where a transfer is in its list of regions. */
export interface RegionCursor {
  region: number;
  /** bytes of the region that have been moved */
  used: number;
}

/** Joins the two halves of an address. */
export function addressOf(low: number, high: number): number {
  return Math.min(high, MOST_ADDRESS_HIGH) * 2 ** 32 + low;
}

/** The structures that a driver keeps in memory for a port. Every method may throw PageAbsent and has then changed nothing else. */
export class CommandList {
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  header(listGpa: number, slot: number): CommandHeader {
    const view = this.#read(listGpa + slot * HEADER_BYTES, HEADER_FIELDS_BYTES);
    const flags = view.getUint32(0, true);
    const tableGpa = addressOf(view.getUint32(8, true) & ~0x7f, view.getUint32(12, true));
    return { atapi: (flags & 0x20) !== 0, regions: flags >>> 16, tableGpa };
  }

  /** Says in a header how many bytes were moved. */
  writeByteCount(listGpa: number, slot: number, bytes: number): void {
    const count = new Uint8Array(4);
    new DataView(count.buffer).setUint32(0, bytes, true);
    writeGuest(this.#memory, listGpa + slot * HEADER_BYTES + HEADER_COUNT_OFFSET, count);
  }

  /** The command FIS of a table. */
  commandFis({ tableGpa }: CommandHeader): Uint8Array {
    return new Uint8Array(this.#read(tableGpa, FIS_BYTES).buffer);
  }

  atapiCommand({ tableGpa }: CommandHeader): Uint8Array {
    return new Uint8Array(this.#read(tableGpa + ATAPI_COMMAND_OFFSET, ATAPI_COMMAND_BYTES).buffer);
  }

  /** Moves data along the regions. @returns how much was moved, and where the next goes */
  move(
    { tableGpa, regions }: CommandHeader,
    from: RegionCursor,
    direction: 'toHost' | 'fromHost',
    data: Uint8Array,
  ): { readonly moved: number; readonly cursor: RegionCursor } {
    const cursor = { ...from };
    let moved = 0;
    while (moved < data.length && cursor.region < regions) {
      const view = this.#read(tableGpa + REGIONS_OFFSET + cursor.region * REGION_BYTES, REGION_BYTES);
      const lengthBytes = (view.getUint32(12, true) & REGION_COUNT) + 1;
      const length = Math.min(lengthBytes - cursor.used, data.length - moved);
      const gpa = addressOf(view.getUint32(0, true), view.getUint32(4, true)) + cursor.used;
      const piece = data.subarray(moved, moved + Math.max(0, length));
      if (direction === 'toHost') writeGuest(this.#memory, gpa, piece);
      else readGuest(this.#memory, gpa, piece);
      moved += piece.length;
      cursor.used += piece.length;
      if (cursor.used >= lengthBytes) {
        cursor.region++;
        cursor.used = 0;
      }
    }
    return { moved, cursor };
  }

  /** Puts a FIS into a port's area for received ones. */
  writeFis(gpa: number, bytes: Uint8Array): void {
    writeGuest(this.#memory, gpa, bytes);
  }

  #read(gpa: number, length: number): DataView {
    const bytes = new Uint8Array(length);
    readGuest(this.#memory, gpa, bytes);
    return new DataView(bytes.buffer);
  }
}
