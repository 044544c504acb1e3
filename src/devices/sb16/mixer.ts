import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';

/** Registers of the CT1745 (Creative, "Sound Blaster Series Hardware Programming Guide", chapter 4). */
const REG = {
  reset: 0x00,
  masterLeft: 0x30,
  masterRight: 0x31,
  voiceLeft: 0x32,
  voiceRight: 0x33,
  microphone: 0x3a,
  outputGainLeft: 0x41,
  outputGainRight: 0x42,
  interruptSetup: 0x80,
  dmaSetup: 0x81,
  interruptStatus: 0x82,
} as const;

/** Ranges of registers: first, last, bits that are there, value after a reset. */
const REGISTERS: readonly (readonly [first: number, last: number, mask: number, initial: number])[] = [
  [0x30, 0x35, 0xf8, 0xc0],
  [0x36, 0x3a, 0xf8, 0x00],
  [0x3b, 0x3b, 0xc0, 0x00],
  [0x3c, 0x3c, 0x1f, 0x1f],
  [0x3d, 0x3d, 0x7f, 0x15],
  [0x3e, 0x3e, 0x7f, 0x0b],
  [0x3f, 0x42, 0xc0, 0x00],
  [0x43, 0x43, 0x01, 0x00],
  [0x44, 0x47, 0xf0, 0x80],
];

/** The Sound Blaster Pro's volumes, two to a register, and the left one of the registers that they are parts of. */
const PRO_VOLUMES: ReadonlyMap<number, number> = new Map([
  [0x04, 0x32],
  [0x22, 0x30],
  [0x26, 0x34],
  [0x28, 0x36],
  [0x2e, 0x38],
]);
const PRO_MICROPHONE = 0x0a;
/** What the bits of a volume are that the Pro's registers have no room for. */
const PRO_LOW_BITS = 0x08;
const PRO_MICROPHONE_LOW_BITS = 0x18;
const REGISTER_COUNT = 0x48;
const DECIBEL_STEP = 2;
const LOUDEST = 31;
const GAIN_DECIBELS = 6;
const STATE_VERSION = 1;

/** What the card is wired to, which jumpers say: bits of the set-up registers. */
export interface Sb16Jumpers {
  /** Bit 1 for IRQ 5. */
  readonly interruptSetup: number;
  /** Bit 1 for DMA 1, bit 5 for DMA 5. */
  readonly dmaSetup: number;
}

/** The mixer chip of the card: an index and a data register. What has no sound here only remembers its settings. */
export class Ct1745Mixer {
  readonly #jumpers: Sb16Jumpers;
  readonly #interruptStatus: () => number;
  readonly #registers = new Uint8Array(REGISTER_COUNT);
  #index = 0;

  /** @param interruptStatus bit 0: an interrupt of 8-bit transfers waits, bit 1: of 16-bit ones */
  constructor(jumpers: Sb16Jumpers, interruptStatus: () => number) {
    this.#jumpers = jumpers;
    this.#interruptStatus = interruptStatus;
    this.#reset();
  }

  get index(): number {
    return this.#index;
  }

  set index(index: number) {
    this.#index = index & 0xff;
  }

  /** What the DSP's sound is multiplied by, left and right. */
  get voiceFactors(): readonly [left: number, right: number] {
    const factor = (master: number, voice: number, gain: number) => {
      const [loud, own] = [this.#registers[master] >> 3, this.#registers[voice] >> 3];
      const decibels = (loud + own - 2 * LOUDEST) * DECIBEL_STEP + (this.#registers[gain] >> 6) * GAIN_DECIBELS;
      return 10 ** (decibels / 20);
    };
    return [
      factor(REG.masterLeft, REG.voiceLeft, REG.outputGainLeft),
      factor(REG.masterRight, REG.voiceRight, REG.outputGainRight),
    ];
  }

  read(): number {
    const index = this.#index;
    if (index === REG.interruptSetup) return this.#jumpers.interruptSetup;
    if (index === REG.dmaSetup) return this.#jumpers.dmaSetup;
    if (index === REG.interruptStatus) return this.#interruptStatus();
    if (index === PRO_MICROPHONE) return this.#registers[REG.microphone] >> 5;
    const left = PRO_VOLUMES.get(index);
    if (left !== undefined) return (this.#registers[left] & 0xf0) | (this.#registers[left + 1] >> 4);
    return this.#registers[index] ?? 0;
  }

  write(value: number): void {
    const index = this.#index;
    if (index === REG.reset) this.#reset();
    else if (index === PRO_MICROPHONE) this.#registers[REG.microphone] = (value << 5) | PRO_MICROPHONE_LOW_BITS;
    else if (PRO_VOLUMES.has(index)) this.#writePro(PRO_VOLUMES.get(index) ?? 0, value);
    else {
      const mask = REGISTERS.find(([first, last]) => index >= first && index <= last)?.[2];
      if (mask !== undefined) this.#registers[index] = value & mask;
    }
  }

  save(): DeviceState {
    return { version: STATE_VERSION, index: this.#index, registers: this.#registers.slice() };
  }

  restore(state: DeviceState): void {
    requireVersion('Ct1745Mixer', state.version, STATE_VERSION);
    this.#index = Number(state.index);
    this.#registers.set(state.registers as Uint8Array);
  }

  #writePro(left: number, value: number): void {
    this.#registers[left] = (value & 0xf0) | PRO_LOW_BITS;
    this.#registers[left + 1] = ((value << 4) & 0xf0) | PRO_LOW_BITS;
  }

  #reset(): void {
    for (const [first, last, , initial] of REGISTERS) this.#registers.fill(initial, first, last + 1);
  }
}
