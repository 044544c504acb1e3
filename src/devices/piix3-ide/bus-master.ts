import { requireVersion } from '../../base/state-version.ts';
import { readGuest, writeGuest } from '../../machine/dma.ts';
import type { Device, DeviceState, GuestMemory } from '../../machine/interfaces.ts';

/** Registers of one channel (Intel 82371SB data sheet, section 2.7): command, status, descriptor table pointer. */
const BMIC = 0;
const BMIS = 2;
const BMIDTP = 4;

const START = 0x01;
const DIRECTION = 0x08;
const ACTIVE = 0x01;
const ERROR = 0x02;
const INTERRUPT = 0x04;
const DRIVES_CAPABLE = 0x60;
const TABLE_ADDRESS = 0xfffffffc;

const PRD_BYTES = 8;
const PRD_BASE = 0xfffffffe;
const PRD_COUNT = 0xfffe;
const PRD_END = 0x80000000;
const MOST_COUNT = 0x10000;
const STATE_VERSION = 1;

/** Where the engine is in its list of physical regions. */
interface Cursor {
  /** the next descriptor */
  tableGpa: number;
  /** what is left of the current region */
  gpa: number;
  lengthBytes: number;
  /** whether the current region is the last */
  last: boolean;
}

/** The bus-master engine of an IDE channel: it moves a drive's data along a list of physical regions. */
export class BusMaster implements Device {
  readonly #memory: GuestMemory;
  readonly #started: () => void;
  readonly #descriptor = new Uint8Array(PRD_BYTES);
  #command = 0;
  #status = 0;
  #table = 0;
  #cursor: Cursor = { tableGpa: 0, gpa: 0, lengthBytes: 0, last: false };

  /** @param started told when the guest lets the engine run */
  constructor(memory: GuestMemory, started: () => void) {
    this.#memory = memory;
    this.#started = started;
  }

  /** Whether it waits for data to move. */
  get active(): boolean {
    return (this.#status & ACTIVE) !== 0;
  }

  /** To be called when the channel's interrupt rises. */
  interrupted(): void {
    this.#status |= INTERRUPT;
  }

  /**
   * Moves data of a drive to or from memory.
   * @returns how much was moved: less than all where the list ends before
   * @throws {PageAbsent} nothing has changed but memory
   */
  move(direction: 'toHost' | 'fromHost', data: Uint8Array): number {
    const cursor = { ...this.#cursor };
    let moved = 0;
    while (moved < data.length) {
      if (cursor.lengthBytes === 0 && !this.#nextRegion(cursor)) break;
      const length = Math.min(cursor.lengthBytes, data.length - moved);
      const piece = data.subarray(moved, moved + length);
      if (direction === 'toHost') writeGuest(this.#memory, cursor.gpa, piece);
      else readGuest(this.#memory, cursor.gpa, piece);
      cursor.gpa += length;
      cursor.lengthBytes -= length;
      moved += length;
    }
    this.#cursor = cursor;
    if (cursor.last && cursor.lengthBytes === 0) this.#status &= ~ACTIVE;
    return moved;
  }

  read(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 0x100 + this.#readByte(offset + i);
    return value;
  }

  write(offset: number, size: number, value: number): void {
    if (offset >= BMIDTP) this.#writeTable(offset - BMIDTP, size, value);
    else for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (i * 8)) & 0xff);
  }

  save(): DeviceState {
    const cursor = { ...this.#cursor };
    return { version: STATE_VERSION, command: this.#command, status: this.#status, table: this.#table, cursor };
  }

  restore(state: DeviceState): void {
    requireVersion('BusMaster', state.version, STATE_VERSION);
    this.#command = Number(state.command);
    this.#status = Number(state.status);
    this.#table = Number(state.table);
    this.#cursor = { ...(state.cursor as Cursor) };
  }

  #readByte(offset: number): number {
    if (offset === BMIC) return this.#command;
    if (offset === BMIS) return this.#status;
    return offset >= BMIDTP ? (this.#table >>> ((offset - BMIDTP) * 8)) & 0xff : 0;
  }

  #writeByte(offset: number, value: number): void {
    if (offset === BMIC) this.#writeCommand(value);
    else if (offset === BMIS) {
      const cleared = value & (ERROR | INTERRUPT);
      this.#status = (this.#status & ~cleared & ~DRIVES_CAPABLE) | (value & DRIVES_CAPABLE);
    }
  }

  #writeCommand(value: number): void {
    const starts = (value & ~this.#command & START) !== 0;
    this.#command = value & (START | DIRECTION);
    if (!(value & START)) this.#status &= ~ACTIVE;
    if (!starts) return;
    this.#status |= ACTIVE;
    this.#cursor = { tableGpa: this.#table, gpa: 0, lengthBytes: 0, last: false };
    this.#started();
  }

  #writeTable(offset: number, size: number, value: number): void {
    const mask = (size === 4 ? 0xffffffff : 2 ** (size * 8) - 1) << (offset * 8);
    const table = (this.#table & ~mask) | ((value << (offset * 8)) & mask);
    this.#table = (table & TABLE_ADDRESS) >>> 0;
  }

  /** Reads the next descriptor. The table lies inside 64 KiB, and the pointer wraps there. @returns false after the last */
  #nextRegion(cursor: Cursor): boolean {
    if (cursor.last) return false;
    readGuest(this.#memory, cursor.tableGpa, this.#descriptor);
    const view = new DataView(this.#descriptor.buffer);
    const control = view.getUint32(4, true);
    cursor.gpa = (view.getUint32(0, true) & PRD_BASE) >>> 0;
    cursor.lengthBytes = control & PRD_COUNT || MOST_COUNT;
    cursor.last = control >= PRD_END;
    cursor.tableGpa += (cursor.tableGpa & 0xffff) + PRD_BYTES > 0xffff ? PRD_BYTES - 0x10000 : PRD_BYTES;
    return true;
  }
}
