import { requireVersion } from '../../base/state-version.ts';
import { readGuest, writeGuest } from '../../machine/dma.ts';
import type { Device, DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { FW_CFG_KEY, type FwCfgItems } from './items.ts';

/** Register offsets. */
const SELECTOR = 0;
const DATA = 1;
const DMA_HIGH = 4;
const DMA_LOW = 8;

const DMA_SIGNATURE = [0x51454d55, 0x20434647]; // "QEMU", " CFG"
const DMA_ERROR = 0x01;
const DMA_READ = 0x02;
const DMA_SKIP = 0x04;
const DMA_SELECT = 0x08;
const DMA_WRITE = 0x10;
const DMA_DESCRIPTOR_BYTES = 16;
const ZEROS = new Uint8Array(0x10000);
const STATE_VERSION = 1;

/**
 * The firmware configuration device (QEMU docs/specs/fw_cfg): firmware reads items through a byte port or by DMA.
 * Guests cannot write them.
 *
 * DMA is done before the triggering write returns. That write throws PageAbsent, with nothing changed that doing it
 * again would not repeat, when a page must be brought in first.
 */
export class FwCfg implements Device {
  readonly #memory: GuestMemory;
  readonly #items: FwCfgItems;
  #selected: number = FW_CFG_KEY.signature;
  #offset = 0;
  #dmaHigh = 0;

  constructor(items: FwCfgItems, memory: GuestMemory) {
    this.#items = items;
    this.#memory = memory;
  }

  read(offset: number, size: number): number {
    if (offset === DATA) return this.#item[this.#offset++] ?? 0;
    if (size === 4 && (offset === DMA_HIGH || offset === DMA_LOW)) {
      return swap32(DMA_SIGNATURE[(offset - DMA_HIGH) / 4]);
    }
    return 0;
  }

  write(offset: number, size: number, value: number): void {
    if (offset === SELECTOR && size === 2) this.#select(value);
    else if (offset === DMA_HIGH && size === 4) this.#dmaHigh = swap32(value);
    else if (offset === DMA_LOW && size === 4) {
      this.#transfer(this.#dmaHigh * 2 ** 32 + swap32(value));
      this.#dmaHigh = 0;
    }
  }

  save(): DeviceState {
    return { version: STATE_VERSION, selected: this.#selected, offset: this.#offset, dmaHigh: this.#dmaHigh };
  }

  restore(state: DeviceState): void {
    requireVersion('FwCfg', state.version, STATE_VERSION);
    this.#selected = Number(state.selected);
    this.#offset = Number(state.offset);
    this.#dmaHigh = Number(state.dmaHigh);
  }

  get #item(): Uint8Array {
    return this.#items.item(this.#selected);
  }

  #select(key: number): void {
    this.#selected = key;
    this.#offset = 0;
  }

  /** Executes the descriptor at `gpa`: control, length and address, all big-endian. */
  #transfer(gpa: number): void {
    const bytes = new Uint8Array(DMA_DESCRIPTOR_BYTES);
    readGuest(this.#memory, gpa, bytes);
    writeGuest(this.#memory, gpa, bytes); // pages in and reports the page before anything changes
    const descriptor = new DataView(bytes.buffer);
    const [control, length] = [descriptor.getUint32(0), descriptor.getUint32(4)];
    const before = { selected: this.#selected, offset: this.#offset };
    try {
      if (control & DMA_SELECT) this.#select(control >>> 16);
      const done = this.#execute(control, Number(descriptor.getBigUint64(8)), length);
      writeGuest(this.#memory, gpa, new Uint8Array([0, 0, 0, done ? 0 : DMA_ERROR]));
    } catch (error) {
      this.#selected = before.selected;
      this.#offset = before.offset;
      throw error;
    }
  }

  #execute(control: number, gpa: number, length: number): boolean {
    if (control & DMA_READ) {
      if (gpa + length > this.#memory.endGpa) return false;
      this.#copyOut(gpa, length);
    } else if (control & DMA_WRITE) {
      return false;
    }
    if (control & (DMA_READ | DMA_SKIP)) this.#offset += length;
    return true;
  }

  /** Writes the selected item from the current offset, and zeros past its end. */
  #copyOut(gpa: number, length: number): void {
    const content = this.#item.subarray(this.#offset, this.#offset + length);
    writeGuest(this.#memory, gpa, content);
    for (let done = content.length; done < length; done += ZEROS.length) {
      writeGuest(this.#memory, gpa + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)));
    }
  }
}

function swap32(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
