import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';

/** Registers of the codec ("Audio Codec '97 Component Specification 2.1", table 8). */
const REG = {
  reset: 0x00,
  master: 0x02,
  pcmOut: 0x18,
  powerdown: 0x26,
  extendedControl: 0x2a,
  dacRate: 0x2c,
  adcRate: 0x32,
} as const;

/** Registers: what they hold after a reset, and which bits can be written. Others read as zero. */
const REGISTERS: ReadonlyMap<number, readonly [initial: number, writable: number]> = new Map([
  [0x02, [0x8000, 0x9f1f]], // master volume
  [0x04, [0x8000, 0x9f1f]], // headphones
  [0x06, [0x8000, 0x801f]], // mono
  [0x0a, [0x0000, 0x801e]], // PC beep
  [0x0c, [0x8008, 0x801f]], // phone
  [0x0e, [0x8008, 0x805f]], // microphone
  [0x10, [0x8808, 0x9f1f]], // line in
  [0x12, [0x8808, 0x9f1f]], // CD
  [0x14, [0x8808, 0x9f1f]], // video
  [0x16, [0x8808, 0x9f1f]], // aux
  [0x18, [0x8808, 0x9f1f]], // PCM out
  [0x1a, [0x0000, 0x0707]], // record select
  [0x1c, [0x8000, 0x8f0f]], // record gain
  [0x20, [0x0000, 0x8380]], // general purpose
  [0x26, [0x0000, 0xff00]], // powerdown control
  [0x28, [0x0001, 0x0000]], // extended audio: VRA
  [0x2a, [0x0000, 0x0001]],
  [0x2c, [0xbb80, 0xffff]],
  [0x32, [0xbb80, 0xffff]],
  [0x7c, [0x8384, 0x0000]], // SigmaTel STAC9700
  [0x7e, [0x7600, 0x0000]],
]);

/** Volumes whose sixth bit, which this codec lacks, stands for the softest that it has. */
const WITH_SIXTH_BIT: readonly number[] = [0x02, 0x04, 0x06];
const MUTE = 0x8000;
const VARIABLE_RATE = 0x0001;
/** The rate of converters that do not vary theirs. */
export const STANDARD_RATE_HZ = 48_000;
const LOWEST_RATE_HZ = 8_000;
const ATTENUATION_DECIBELS = 1.5;
/** The step of PCM OUT VOL that changes nothing: those below are louder. */
const PCM_UNITY = 8;
/** What is powered down by which bits: ready bit of the status, bits of the control. */
const POWERDOWN: readonly (readonly [ready: number, control: number])[] = [
  [0x01, 0x0100],
  [0x02, 0x0200],
  [0x04, 0x0c00],
  [0x08, 0x0800],
];
const WORDS = 64;
const STATE_VERSION = 1;

/** The AC'97 codec: mixer, and converters whose rates vary from 8 to 48 kHz. */
export class Ac97Codec {
  readonly #registers = new Uint16Array(WORDS);
  readonly #ratesChanged: () => void;

  /** @param ratesChanged told when a rate may have changed */
  constructor(ratesChanged: () => void) {
    this.#ratesChanged = ratesChanged;
    this.#clear();
  }

  /** The rate of PCM out. */
  get dacRateHz(): number {
    return this.#registers[REG.dacRate / 2];
  }

  /** The rate of PCM in. */
  get adcRateHz(): number {
    return this.#registers[REG.adcRate / 2];
  }

  /** What PCM out is multiplied by, left and right. */
  get pcmFactors(): readonly [left: number, right: number] {
    const [master, pcm] = [this.#registers[REG.master / 2], this.#registers[REG.pcmOut / 2]];
    if ((master | pcm) & MUTE) return [0, 0];
    const factor = (shift: number) => {
      const steps = ((master >> shift) & 0x1f) + ((pcm >> shift) & 0x1f) - PCM_UNITY;
      return 10 ** ((-steps * ATTENUATION_DECIBELS) / 20);
    };
    return [factor(8), factor(0)];
  }

  reset(): void {
    this.#clear();
    this.#ratesChanged();
  }

  /** @param offset of a word, even */
  read(offset: number): number {
    const value = this.#registers[offset / 2] ?? 0;
    return offset === REG.powerdown ? value | readyIn(value) : value;
  }

  write(offset: number, value: number): void {
    const [, writable = 0] = REGISTERS.get(offset) ?? [];
    if (offset === REG.reset) this.reset();
    else if (offset === REG.dacRate || offset === REG.adcRate) this.#writeRate(offset, value);
    else if (offset === REG.extendedControl) this.#writeExtendedControl(value & writable);
    else if (writable !== 0) {
      const softened = WITH_SIXTH_BIT.includes(offset) ? withoutSixthBit(value) : value;
      this.#registers[offset / 2] = softened & writable;
    }
  }

  save(): DeviceState {
    return { version: STATE_VERSION, registers: [...this.#registers] };
  }

  restore(state: DeviceState): void {
    requireVersion('Ac97Codec', state.version, STATE_VERSION);
    this.#registers.set(state.registers as number[]);
  }

  #clear(): void {
    for (const [offset, [initial]] of REGISTERS) this.#registers[offset / 2] = initial;
  }

  #writeRate(offset: number, value: number): void {
    if (!(this.#registers[REG.extendedControl / 2] & VARIABLE_RATE)) return;
    this.#registers[offset / 2] = Math.max(LOWEST_RATE_HZ, Math.min(STANDARD_RATE_HZ, value));
    this.#ratesChanged();
  }

  #writeExtendedControl(value: number): void {
    this.#registers[REG.extendedControl / 2] = value;
    if (value & VARIABLE_RATE) return;
    this.#registers[REG.dacRate / 2] = STANDARD_RATE_HZ;
    this.#registers[REG.adcRate / 2] = STANDARD_RATE_HZ;
    this.#ratesChanged();
  }
}

/** Ready bits of everything that is not powered down. */
function readyIn(control: number): number {
  return POWERDOWN.reduce((ready, [bit, off]) => (control & off ? ready : ready | bit), 0);
}

function withoutSixthBit(value: number): number {
  const left = value & 0x2000 ? 0x1f00 : 0;
  const right = value & 0x0020 ? 0x001f : 0;
  return value | left | right;
}
