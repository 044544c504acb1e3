import { requireVersion } from '../base/state-version.ts';
import type { DeviceState } from './interfaces.ts';

const WORDS = 64;
/** A Microwire command: start bit, two bits of operation, six of address. */
const COMMAND_BITS = 9;
const OPERATION_READ = 6;
const STATE_VERSION = 1;

/** A serial EEPROM of 64 words of 16 bits on a Microwire bus (the 93C46's data sheet). It cannot be written. */
export class MicrowireEeprom {
  readonly words: Readonly<Uint16Array>;
  #clock = false;
  /** Bits of the command so far. */
  #command = 0;
  #commandBits = 0;
  /** The next bit to come out, counted from the first word's; -1 while no read goes on. */
  #output = -1;
  #dataOut = 1;

  /** @param words 64 of them */
  constructor(words: Readonly<Uint16Array>) {
    this.words = words;
  }

  /** The level of the chip's data output; pulled up while it does not drive it. */
  get dataOut(): boolean {
    return this.#dataOut === 1;
  }

  /** Sets the levels of the chip's inputs. */
  drive(select: boolean, clock: boolean, dataIn: boolean): void {
    const rises = clock && !this.#clock;
    this.#clock = clock;
    if (!select) this.#deselect();
    else if (rises && this.#output >= 0) this.#shiftOut();
    else if (rises && (this.#commandBits > 0 || dataIn)) this.#shiftIn(dataIn ? 1 : 0);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      clock: this.#clock,
      command: this.#command,
      commandBits: this.#commandBits,
      output: this.#output,
      dataOut: this.#dataOut,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('MicrowireEeprom', state.version, STATE_VERSION);
    this.#clock = Boolean(state.clock);
    this.#command = Number(state.command);
    this.#commandBits = Number(state.commandBits);
    this.#output = Number(state.output);
    this.#dataOut = Number(state.dataOut);
  }

  #deselect(): void {
    this.#command = 0;
    this.#commandBits = 0;
    this.#output = -1;
    this.#dataOut = 1;
  }

  #shiftOut(): void {
    const word = this.words[(this.#output >> 4) % WORDS];
    this.#dataOut = (word >> (15 - (this.#output & 15))) & 1;
    this.#output = (this.#output + 1) % (WORDS * 16);
  }

  #shiftIn(bit: number): void {
    if (this.#commandBits === COMMAND_BITS) return;
    this.#command = (this.#command << 1) | bit;
    this.#commandBits++;
    if (this.#commandBits < COMMAND_BITS || this.#command >> 6 !== OPERATION_READ) return;
    this.#output = (this.#command & (WORDS - 1)) * 16;
    this.#dataOut = 0;
  }
}
