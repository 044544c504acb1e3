import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import type { IsaDmaChannel } from '../../machine/isa-dma.ts';
import { Dma8237 } from './dma8237.ts';

type Registers = Pick<Device, 'read' | 'write'>;

/** Page registers and the channels whose pages they hold (Intel 82371SB data sheet, section 2.5.1.9); others only remember. */
const PAGE_CHANNELS: ReadonlyMap<number, number> = new Map([
  [0x1, 2],
  [0x2, 3],
  [0x3, 1],
  [0x7, 0],
  [0x9, 6],
  [0xa, 7],
  [0xb, 5],
]);
const PAGE_REGISTERS = 16;
const CHANNELS_PER_CONTROLLER = 4;
const STATE_VERSION = 1;

/** The two DMA controllers of an AT with their page registers: channels 0 to 3 move bytes, 5 to 7 words. */
export class IsaDma {
  /** Ports 00h to 0Fh. */
  readonly bytes: Registers;
  /** Ports C0h to DFh, two to a register. */
  readonly words: Registers;
  /** Ports 80h to 8Fh. */
  readonly pages: Registers;
  readonly #controllers: readonly Dma8237[];
  readonly #unused = new Uint8Array(PAGE_REGISTERS);

  constructor(memory: GuestMemory) {
    const [bytes, words] = [new Dma8237(memory, 1), new Dma8237(memory, 2)];
    this.#controllers = [bytes, words];
    this.bytes = bytes;
    this.words = {
      read: (offset) => words.read(offset >> 1),
      write: (offset, size, value) => words.write(offset >> 1, size, value),
    };
    this.pages = {
      read: (offset) => this.#pageOwner(offset)?.page ?? this.#unused[offset],
      write: (offset, _size, value) => this.#writePage(offset, value),
    };
  }

  /** A channel, for the device that is wired to it. @param number 0 to 7, but 4 */
  channel(number: number): IsaDmaChannel {
    return this.#channel(number);
  }

  save(): DeviceState {
    const controllers = this.#controllers.map((controller) => controller.save());
    return { version: STATE_VERSION, controllers, unused: this.#unused.slice() };
  }

  restore(state: DeviceState): void {
    requireVersion('IsaDma', state.version, STATE_VERSION);
    const controllers = state.controllers as readonly DeviceState[];
    for (const [n, controller] of this.#controllers.entries()) controller.restore(controllers[n]);
    this.#unused.set(state.unused as Uint8Array);
  }

  #writePage(offset: number, value: number): void {
    const owner = this.#pageOwner(offset);
    if (owner) owner.page = value;
    else this.#unused[offset] = value;
  }

  #pageOwner(register: number) {
    const number = PAGE_CHANNELS.get(register);
    return number === undefined ? undefined : this.#channel(number);
  }

  #channel(number: number) {
    const controller = this.#controllers[number < CHANNELS_PER_CONTROLLER ? 0 : 1];
    return controller.channels[number % CHANNELS_PER_CONTROLLER];
  }
}
