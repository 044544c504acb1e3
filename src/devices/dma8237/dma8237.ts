import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { type ChannelState, DmaChannel } from './channel.ts';

/** Registers behind those of the channels (Intel 8237A data sheet, figure 5). */
const REG = {
  command: 8,
  request: 9,
  singleMask: 10,
  mode: 11,
  clearFlipFlop: 12,
  masterClear: 13,
  clearMask: 14,
  allMask: 15,
} as const;

const CHANNELS = 4;
const COMMAND_DISABLE = 0x04;
const CHANNEL_BITS = 3;
const SET_BIT = 4;
const STATE_VERSION = 1;

/**
 * The 8237A DMA controller: four channels of one byte or, on the AT's second controller, of two. Software requests are
 * remembered and not served: no channel of a PC has memory at both ends.
 */
export class Dma8237 implements Device {
  readonly channels: readonly DmaChannel[];
  #command = 0;
  #request = 0;
  /** whether the next byte of an address or count is the upper one */
  #upper = false;

  constructor(memory: GuestMemory, unitBytes: 1 | 2) {
    const enabled = () => !(this.#command & COMMAND_DISABLE);
    this.channels = Array.from({ length: CHANNELS }, () => new DmaChannel(memory, unitBytes, enabled));
  }

  /** @param offset a register's number, whatever the distance of the ports */
  read(offset: number): number {
    if (offset < REG.command) return this.#readChannel(this.channels[offset >> 1], (offset & 1) === 1);
    if (offset === REG.command) return this.#readStatus();
    if (offset === REG.allMask) return this.#bits((channel) => channel.masked) | 0xf0;
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    const channel = this.channels[value & CHANNEL_BITS];
    const bit = 1 << (value & CHANNEL_BITS);
    if (offset < REG.command) this.#writeChannel(this.channels[offset >> 1], (offset & 1) === 1, value);
    else if (offset === REG.command) this.#writeCommand(value);
    else if (offset === REG.request) this.#request = value & SET_BIT ? this.#request | bit : this.#request & ~bit;
    else if (offset === REG.singleMask) channel.masked = (value & SET_BIT) !== 0;
    else if (offset === REG.mode) channel.mode = value & ~CHANNEL_BITS;
    else if (offset === REG.clearFlipFlop) this.#upper = false;
    else if (offset === REG.masterClear) this.#clear();
    else this.#mask(offset === REG.clearMask ? 0 : value);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      command: this.#command,
      request: this.#request,
      upper: this.#upper,
      channels: this.channels.map((channel) => channel.save()),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Dma8237', state.version, STATE_VERSION);
    this.#command = Number(state.command);
    this.#request = Number(state.request);
    this.#upper = Boolean(state.upper);
    for (const [n, saved] of (state.channels as readonly ChannelState[]).entries()) this.channels[n].restore(saved);
  }

  #readChannel(channel: DmaChannel, isCount: boolean): number {
    const value = isCount ? channel.count : channel.address;
    const byte = this.#upper ? value >> 8 : value & 0xff;
    this.#upper = !this.#upper;
    return byte;
  }

  #writeChannel(channel: DmaChannel, isCount: boolean, value: number): void {
    const base = isCount ? channel.baseCount : channel.baseAddress;
    const merged = this.#upper ? (base & 0xff) | (value << 8) : (base & 0xff00) | value;
    this.#upper = !this.#upper;
    if (isCount) {
      channel.baseCount = merged;
      channel.count = merged;
    } else {
      channel.baseAddress = merged;
      channel.address = merged;
    }
  }

  #readStatus(): number {
    const status = this.#bits((channel) => channel.terminalCount) | (this.#request << 4);
    for (const channel of this.channels) channel.terminalCount = false;
    return status;
  }

  #writeCommand(value: number): void {
    this.#command = value;
    for (const channel of this.channels) channel.tellReady();
  }

  #clear(): void {
    this.#command = 0;
    this.#request = 0;
    this.#upper = false;
    for (const channel of this.channels) channel.terminalCount = false;
    this.#mask(0x0f);
  }

  #mask(bits: number): void {
    for (const [n, channel] of this.channels.entries()) channel.masked = ((bits >> n) & 1) === 1;
  }

  #bits(test: (channel: DmaChannel) => boolean): number {
    return this.channels.reduce((bits, channel, n) => bits | (test(channel) ? 1 << n : 0), 0);
  }
}
