import { requireVersion } from '../../base/state-version.ts';
import { type AbsolutePointerSink, BUTTON } from '../../display/interfaces.ts';
import type { Device, DeviceState } from '../../machine/interfaces.ts';

/** The general registers of the processor that reads the port, 32 bits of each, by their numbers. */
export interface ProcessorRegisters {
  get(register: number): number;
  set(register: number, value: number): void;
}

const [EAX, ECX, EDX, EBX, ESI, EDI] = [0, 1, 2, 3, 6, 7];
/** Registers that take the words of a packet. */
const DATA_REGISTERS = [EAX, EBX, ECX, EDX, ESI, EDI] as const;

const MAGIC = 0x564d5868; // "VMXh"
const NOTHING = 0xffffffff;

/** Commands, in the low half of ECX (VMware's backdoor, as open-vm-tools' backdoor_def.h numbers them). */
const COMMAND = { getVersion: 10, pointerData: 39, pointerStatus: 40, pointerCommand: 41 } as const;
const VERSION = 6;
const PRODUCT_WORKSTATION = 4;

/** What EBX says to the pointer command. */
const POINTER_ENABLE = 0x45414552; // "REAE"
const POINTER_DISABLE = 0x000000f5;
const POINTER_ABSOLUTE = 0x53424152; // "RABS"
const POINTER_RELATIVE = 0x4c455252; // "RREL"
const POINTER_IDENTITY = 0x3442554a; // "JUB4"
const STATUS_OFF = 0xffff0000;

/** Buttons in a packet. */
const PACKET_BUTTONS = [
  [BUTTON.left, 0x20],
  [BUTTON.right, 0x10],
  [BUTTON.middle, 0x08],
] as const;
const PACKET_WORDS = 4;
const MOST_WORDS = 1024;
const STATE_VERSION = 1;

/**
 * The backdoor port of VMware, 5658h, as far as the pointer of older systems' VMware drivers needs it: a read with the
 * right value in EAX is a call whose arguments and results are in registers. Packets have the pointer's place on the
 * screen; an event of the PS/2 mouse tells the driver to fetch them.
 */
export class VmPort implements Device, AbsolutePointerSink {
  readonly #registers: ProcessorRegisters;
  readonly #mouseEvent: () => void;
  #words: number[] = [];
  #enabled = false;
  #absolute = false;

  /** @param mouseEvent has the PS/2 mouse report something */
  constructor(registers: ProcessorRegisters, mouseEvent: () => void) {
    this.#registers = registers;
    this.#mouseEvent = mouseEvent;
  }

  get isActive(): boolean {
    return this.#enabled && this.#absolute;
  }

  point(x: number, y: number, wheel: number, buttons: number): void {
    if (!this.isActive || this.#words.length + PACKET_WORDS > MOST_WORDS) return;
    const mask = PACKET_BUTTONS.reduce((bits, [button, bit]) => bits | (buttons & button ? bit : 0), 0);
    this.#words.push(mask, x * 2, y * 2, wheel >>> 0);
    this.#mouseEvent();
  }

  read(offset: number, size: number): number {
    const registers = this.#registers;
    const isCall = offset === 0 && size === 4 && registers.get(EAX) === MAGIC;
    if (!isCall) return size === 4 ? NOTHING : 2 ** (size * 8) - 1;
    switch (registers.get(ECX) & 0xffff) {
      case COMMAND.getVersion:
        registers.set(EBX, MAGIC);
        registers.set(ECX, PRODUCT_WORKSTATION);
        return VERSION;
      case COMMAND.pointerData:
        return this.#readWords(registers.get(EBX));
      case COMMAND.pointerStatus:
        return this.#enabled ? this.#words.length : STATUS_OFF;
      case COMMAND.pointerCommand:
        this.#command(registers.get(EBX));
        return 0;
      default:
        return NOTHING;
    }
  }

  write(): void {}

  save(): DeviceState {
    return { version: STATE_VERSION, words: [...this.#words], enabled: this.#enabled, absolute: this.#absolute };
  }

  restore(state: DeviceState): void {
    requireVersion('VmPort', state.version, STATE_VERSION);
    this.#words = [...(state.words as number[])];
    this.#enabled = Boolean(state.enabled);
    this.#absolute = Boolean(state.absolute);
  }

  /** Puts the next words into registers; what is asked for and not there turns the pointer off, as on VMware. */
  #readWords(count: number): number {
    if (count > DATA_REGISTERS.length || count > this.#words.length || count === 0) {
      this.#command(POINTER_DISABLE);
      return NOTHING;
    }
    const words = this.#words.splice(0, count);
    words.forEach((word, i) => {
      if (i > 0) this.#registers.set(DATA_REGISTERS[i], word);
    });
    return words[0];
  }

  #command(command: number): void {
    switch (command) {
      case POINTER_ENABLE:
        this.#enabled = true;
        this.#words = [POINTER_IDENTITY];
        break;
      case POINTER_DISABLE:
        this.#enabled = false;
        this.#absolute = false;
        this.#words = [];
        break;
      case POINTER_ABSOLUTE:
      case POINTER_RELATIVE:
        this.#absolute = command === POINTER_ABSOLUTE;
        break;
    }
  }
}
