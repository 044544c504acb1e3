import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';

const WORDS = 64;
/** What all words add up to, by the last of them (Software Developer's Manual, 5.6.35). */
const SUM = 0xbaba;
/** Words that say what the card is; the address is in the first three (5.6). */
const CONTENT: readonly (readonly [word: number, value: number])[] = [
  [0x08, 0x3000],
  [0x09, 0x1000],
  [0x0a, 0x4403],
  [0x0b, 0x001e],
  [0x0c, 0x8086],
  [0x0d, 0x100e],
  [0x0e, 0x8086],
  [0x0f, 0x3040],
  [0x2f, 0x0602],
];

/** Bits of EECD: clock, chip select, data in and out, request and grant, presence. */
const EECD = { sk: 1, cs: 2, di: 4, do: 8, request: 0x40, grant: 0x80, present: 0x100 } as const;
const EECD_KEPT = EECD.sk | EECD.cs | EECD.di | EECD.request | 0x30;
const EERD = { start: 1, done: 0x10 } as const;
/** A Microwire command: start bit, two bits of operation, six of address. */
const COMMAND_BITS = 9;
const OPERATION_READ = 6;
const STATE_VERSION = 1;

/** The card's EEPROM, read by EERD or bit by bit over its Microwire interface (5.3). It cannot be written. */
export class Eeprom {
  readonly #words = new Uint16Array(WORDS);
  #eecd = 0;
  #eerd = 0;
  /** Bits of the command so far. */
  #command = 0;
  #commandBits = 0;
  /** The next bit to come out, counted from the first word's; -1 while no read goes on. */
  #output = -1;
  #dataOut = 0;

  /** @param mac six bytes */
  constructor(mac: Uint8Array) {
    for (const word of [0, 1, 2]) this.#words[word] = mac[word * 2] | (mac[word * 2 + 1] << 8);
    for (const [word, value] of CONTENT) this.#words[word] = value;
    this.#words[WORDS - 1] = SUM - this.#words.reduce((sum, word) => sum + word, 0);
  }

  get eecd(): number {
    const granted = this.#eecd & EECD.request ? EECD.grant : 0;
    return this.#eecd | granted | EECD.present | (this.#dataOut ? EECD.do : 0);
  }

  set eecd(value: number) {
    const before = this.#eecd;
    this.#eecd = value & EECD_KEPT;
    if (!(value & EECD.cs)) this.#deselect();
    else if (value & ~before & EECD.sk) this.#clock((value & EECD.di) !== 0 ? 1 : 0);
  }

  get eerd(): number {
    return this.#eerd;
  }

  set eerd(value: number) {
    const address = (value >>> 8) & 0xff;
    const word = address < WORDS ? this.#words[address] : 0xffff;
    this.#eerd = value & EERD.start ? ((word << 16) | (address << 8) | EERD.done | EERD.start) >>> 0 : 0;
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      eecd: this.#eecd,
      eerd: this.#eerd,
      command: this.#command,
      commandBits: this.#commandBits,
      output: this.#output,
      dataOut: this.#dataOut,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Eeprom', state.version, STATE_VERSION);
    this.#eecd = Number(state.eecd);
    this.#eerd = Number(state.eerd);
    this.#command = Number(state.command);
    this.#commandBits = Number(state.commandBits);
    this.#output = Number(state.output);
    this.#dataOut = Number(state.dataOut);
  }

  #deselect(): void {
    this.#command = 0;
    this.#commandBits = 0;
    this.#output = -1;
    this.#dataOut = 1; // pulled up
  }

  #clock(bit: number): void {
    if (this.#output >= 0) this.#shiftOut();
    else if (this.#commandBits > 0 || bit === 1) this.#shiftIn(bit);
  }

  #shiftOut(): void {
    const word = this.#words[(this.#output >> 4) % WORDS];
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
