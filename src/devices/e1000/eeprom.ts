import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { MicrowireEeprom } from '../../machine/microwire.ts';

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
const STATE_VERSION = 1;

/** The card's EEPROM, read by EERD or bit by bit by EECD (5.3). */
export class Eeprom {
  readonly #chip: MicrowireEeprom;
  #eecd = 0;
  #eerd = 0;

  /** @param mac six bytes */
  constructor(mac: Uint8Array) {
    const words = new Uint16Array(WORDS);
    for (const word of [0, 1, 2]) words[word] = mac[word * 2] | (mac[word * 2 + 1] << 8);
    for (const [word, value] of CONTENT) words[word] = value;
    words[WORDS - 1] = SUM - words.reduce((sum, word) => sum + word, 0);
    this.#chip = new MicrowireEeprom(words);
  }

  get eecd(): number {
    const granted = this.#eecd & EECD.request ? EECD.grant : 0;
    return this.#eecd | granted | EECD.present | (this.#chip.dataOut ? EECD.do : 0);
  }

  set eecd(value: number) {
    this.#eecd = value & EECD_KEPT;
    this.#chip.drive((value & EECD.cs) !== 0, (value & EECD.sk) !== 0, (value & EECD.di) !== 0);
  }

  get eerd(): number {
    return this.#eerd;
  }

  set eerd(value: number) {
    const address = (value >>> 8) & 0xff;
    const word = this.#chip.words[address] ?? 0xffff;
    this.#eerd = value & EERD.start ? ((word << 16) | (address << 8) | EERD.done | EERD.start) >>> 0 : 0;
  }

  save(): DeviceState {
    return { version: STATE_VERSION, eecd: this.#eecd, eerd: this.#eerd, chip: this.#chip.save() };
  }

  restore(state: DeviceState): void {
    requireVersion('Eeprom', state.version, STATE_VERSION);
    this.#eecd = Number(state.eecd);
    this.#eerd = Number(state.eerd);
    this.#chip.restore(state.chip as DeviceState);
  }
}
