import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';
import { queryTable } from './query.ts';

/** Commands of the Intel command set (Intel StrataFlash memory J3 data sheet, section "Commands"). */
const COMMAND = {
  readArray: 0xff,
  readIdentifier: 0x90,
  query: 0x98,
  readStatus: 0x70,
  clearStatus: 0x50,
  program: 0x40,
  programToo: 0x10,
  writeToBuffer: 0xe8,
  erase: 0x20,
  confirm: 0xd0,
} as const;

const STATUS_READY = 0x80;
/**
 * OVMF tells flash from RAM and ROM by a status of zero after it was cleared, as QEMU's chip has it; Intel's keeps its
 * ready bit.
 */
const STATUS_CLEARED = 0;
const STATUS_ERASE_ERROR = 0x20;
const STATUS_PROGRAM_ERROR = 0x10;
const MANUFACTURER = 0x89;
const DEVICE_CODE = 0x18;
const BLANK = 0xff;
const STATE_VERSION = 1;

/** What reads give, and what the next write is. */
type Mode = 'array' | 'status' | 'identifier' | 'query';
type Expecting = 'command' | 'data' | 'eraseConfirm' | 'bufferCount' | 'bufferData' | 'bufferConfirm';

/** Where a flash chip's content lies, which outlives the machine. */
export interface FlashStore {
  /** Content, whole blocks; the chip changes it. */
  readonly content: Uint8Array;
  /** Called after `length` bytes at `offset` have changed. */
  written(offset: number, length: number): void;
}

/**
 * A flash memory of the Common Flash Interface with Intel's command set and a bus of 8 bits, whose blocks are erased and
 * programmed at once. Programming clears bits alone, erasing sets them.
 */
export class CfiFlash implements Device {
  readonly #store: FlashStore;
  readonly #blockBytes: number;
  readonly #query: Uint8Array;
  #mode: Mode = 'array';
  #expecting: Expecting = 'command';
  #status = STATUS_READY;
  /** Bytes that are still to come into the buffer, and what has come: offsets and values. */
  #bufferLeft = 0;
  #buffer: [offset: number, value: number][] = [];

  /** @param blockBytes a power of two of which the content is a multiple */
  constructor(store: FlashStore, blockBytes: number) {
    this.#store = store;
    this.#blockBytes = blockBytes;
    this.#query = queryTable(store.content.length, blockBytes);
  }

  /** What the chip holds. */
  get content(): Uint8Array {
    return this.#store.content;
  }

  read(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 0x100 + this.#readByte(offset + i);
    return value;
  }

  write(offset: number, size: number, value: number): void {
    if (this.#expecting === 'data' || this.#expecting === 'bufferData') {
      for (let i = 0; i < size; i++) this.#take(offset + i, (value >>> (i * 8)) & 0xff);
      if (this.#expecting === 'data') this.#expecting = 'command';
    } else this.#command(offset, value & 0xff);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      mode: this.#mode,
      expecting: this.#expecting,
      status: this.#status,
      bufferLeft: this.#bufferLeft,
      buffer: this.#buffer.map(([offset, value]) => [offset, value]),
      content: this.#store.content.slice(),
    };
  }

  /** @throws {Error} the record is of an unknown version, or of a chip of another size */
  restore(state: DeviceState): void {
    requireVersion('CfiFlash', state.version, STATE_VERSION);
    const content = state.content as Uint8Array;
    if (content.length !== this.#store.content.length) throw new Error('CfiFlash: the saved chip has another size');
    this.#mode = state.mode as Mode;
    this.#expecting = state.expecting as Expecting;
    this.#status = Number(state.status);
    this.#bufferLeft = Number(state.bufferLeft);
    this.#buffer = (state.buffer as [number, number][]).map(([offset, value]) => [offset, value]);
    if (content.every((byte, i) => byte === this.#store.content[i])) return;
    this.#store.content.set(content);
    this.#store.written(0, content.length);
  }

  #readByte(offset: number): number {
    switch (this.#mode) {
      case 'array':
        return this.#store.content[offset] ?? BLANK;
      case 'status':
        return this.#status;
      case 'identifier':
        return [MANUFACTURER, DEVICE_CODE][offset % this.#blockBytes] ?? 0;
      case 'query':
        return this.#query[offset] ?? 0;
    }
  }

  #command(offset: number, byte: number): void {
    if (this.#expecting === 'eraseConfirm') this.#erase(offset, byte);
    else if (this.#expecting === 'bufferCount') this.#beginBuffer(byte);
    else if (this.#expecting === 'bufferConfirm') this.#endBuffer(byte);
    else this.#begin(byte);
  }

  #begin(byte: number): void {
    switch (byte) {
      case COMMAND.readIdentifier:
        this.#mode = 'identifier';
        break;
      case COMMAND.query:
        this.#mode = 'query';
        break;
      case COMMAND.readStatus:
        this.#mode = 'status';
        break;
      case COMMAND.clearStatus:
        this.#mode = 'array';
        this.#status = STATUS_CLEARED;
        break;
      case COMMAND.program:
      case COMMAND.programToo:
        this.#expect('data');
        break;
      case COMMAND.erase:
        this.#expect('eraseConfirm');
        break;
      case COMMAND.writeToBuffer:
        this.#expect('bufferCount');
        break;
      default:
        this.#mode = 'array';
    }
  }

  /** Waits for the next write of a command; reads give the status meanwhile and afterwards. */
  #expect(next: Expecting): void {
    this.#mode = 'status';
    this.#status |= STATUS_READY;
    this.#expecting = next;
  }

  #take(offset: number, byte: number): void {
    if (this.#expecting === 'data') {
      this.#program(offset, byte);
      return;
    }
    if (this.#bufferLeft === 0) return;
    this.#buffer.push([offset, byte]);
    this.#bufferLeft--;
    if (this.#bufferLeft === 0) this.#expecting = 'bufferConfirm';
  }

  #program(offset: number, byte: number): void {
    const { content } = this.#store;
    if (offset >= content.length) return;
    const before = content[offset];
    content[offset] = before & byte;
    if (content[offset] !== before) this.#store.written(offset, 1);
  }

  #erase(offset: number, byte: number): void {
    this.#expecting = 'command';
    if (byte !== COMMAND.confirm) {
      this.#status |= STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR;
      return;
    }
    const start = offset - (offset % this.#blockBytes);
    this.#store.content.fill(BLANK, start, start + this.#blockBytes);
    this.#store.written(start, this.#blockBytes);
  }

  #beginBuffer(count: number): void {
    this.#buffer = [];
    this.#bufferLeft = count + 1;
    this.#expecting = 'bufferData';
  }

  #endBuffer(byte: number): void {
    this.#expecting = 'command';
    if (byte === COMMAND.confirm) for (const [offset, value] of this.#buffer) this.#program(offset, value);
    else this.#status |= STATUS_PROGRAM_ERROR;
    this.#buffer = [];
  }
}
