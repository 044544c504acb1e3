import { readGuest, writeGuest } from '../../machine/dma.ts';
import type { GuestMemory } from '../../machine/interfaces.ts';
import type { IsaDmaChannel } from '../../machine/isa-dma.ts';

const MODE_TYPE = 0x0c;
const MODE_WRITE = 0x04;
const MODE_READ = 0x08;
const MODE_AUTO_INITIALIZE = 0x10;
const MODE_DECREMENT = 0x20;
const COUNTS = 0x10000;

/** The registers of a channel. */
export interface ChannelState {
  readonly baseAddress: number;
  readonly baseCount: number;
  readonly address: number;
  readonly count: number;
  readonly mode: number;
  readonly page: number;
  readonly masked: boolean;
  readonly terminalCount: boolean;
}

/** One channel of a controller: its address, count, mode and page. */
export class DmaChannel implements IsaDmaChannel {
  baseAddress = 0;
  baseCount = 0;
  address = 0;
  /** transfers still to be made, less one */
  count = 0;
  mode = 0;
  page = 0;
  terminalCount = false;
  readonly #memory: GuestMemory;
  readonly #unitBytes: 1 | 2;
  readonly #enabled: () => boolean;
  #masked = true;
  #listen: () => void = () => {};

  /** @param unitBytes bytes of one transfer  @param enabled whether the controller serves requests */
  constructor(memory: GuestMemory, unitBytes: 1 | 2, enabled: () => boolean) {
    this.#memory = memory;
    this.#unitBytes = unitBytes;
    this.#enabled = enabled;
  }

  get ready(): boolean {
    return !this.#masked && this.#enabled();
  }

  get masked(): boolean {
    return this.#masked;
  }

  set masked(masked: boolean) {
    this.#masked = masked;
    this.tellReady();
  }

  onReady(listen: () => void): void {
    this.#listen = listen;
  }

  /** Tells the device if the channel serves it now. */
  tellReady(): void {
    if (this.ready) this.#listen();
  }

  move(direction: 'toMemory' | 'fromMemory', data: Uint8Array): { moved: number; tc: boolean } {
    if (!this.ready) return { moved: 0, tc: false };
    const units = Math.min(Math.floor(data.length / this.#unitBytes), this.count + 1);
    const moved = units * this.#unitBytes;
    this.#access(direction, data.subarray(0, moved));
    const step = this.mode & MODE_DECREMENT ? -units : units;
    this.address = (this.address + step) & (COUNTS - 1);
    this.count -= units;
    const tc = this.count < 0;
    if (tc) this.#reachTerminalCount();
    return { moved, tc };
  }

  save(): ChannelState {
    const { baseAddress, baseCount, address, count, mode, page, masked, terminalCount } = this;
    return { baseAddress, baseCount, address, count, mode, page, masked, terminalCount };
  }

  restore({ masked, ...registers }: ChannelState): void {
    Object.assign(this, registers);
    this.#masked = masked;
  }

  #reachTerminalCount(): void {
    this.terminalCount = true;
    this.count = COUNTS - 1;
    if (this.mode & MODE_AUTO_INITIALIZE) {
      this.address = this.baseAddress;
      this.count = this.baseCount;
    } else this.#masked = true;
  }

  /** Moves whole units to or from memory where the mode is for this direction. Addresses wrap inside the page. */
  #access(direction: 'toMemory' | 'fromMemory', data: Uint8Array): void {
    const type = this.mode & MODE_TYPE;
    if (direction === 'toMemory' ? type !== MODE_WRITE : type !== MODE_READ) return;
    const unit = this.#unitBytes;
    const down = (this.mode & MODE_DECREMENT) !== 0;
    for (let done = 0; done < data.length; ) {
      const address = (this.address + (down ? -1 : 1) * (done / unit)) & (COUNTS - 1);
      const length = down ? unit : Math.min(data.length - done, (COUNTS - address) * unit);
      const piece = data.subarray(done, done + length);
      if (direction === 'toMemory') writeGuest(this.#memory, this.#gpaOf(address), piece);
      else readGuest(this.#memory, this.#gpaOf(address), piece);
      done += length;
    }
  }

  #gpaOf(address: number): number {
    return this.#unitBytes === 1 ? this.page * 0x10000 + address : (this.page & 0xfe) * 0x10000 + address * 2;
  }
}
