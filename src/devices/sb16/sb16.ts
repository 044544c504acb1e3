import { requireVersion } from '../../base/state-version.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { type DspWiring, Sb16Dsp } from './dsp.ts';
import { Ct1745Mixer, type Sb16Jumpers } from './mixer.ts';

/** Ports behind the card's base (Creative, "Sound Blaster Series Hardware Programming Guide", appendix). */
const PORT = {
  mixerIndex: 0x4,
  mixerData: 0x5,
  dspReset: 0x6,
  dspRead: 0xa,
  dspWrite: 0xc,
  dspReadStatus: 0xe,
  acknowledge16: 0xf,
} as const;

/** How many ports the card has. */
export const SB16_PORTS = 16;

const INTERRUPT_8 = 0x01;
const INTERRUPT_16 = 0x02;
const RESET = 0x01;
/** What the ready bit, which is bit 7, stands beside. */
const STATUS_OTHERS = 0x7f;
const HAS_ANSWER = 0x80;
const FLOATING = 0xff;
const STATE_VERSION = 1;

/** What the card is connected to. */
export interface Sb16Wiring extends Omit<DspWiring, 'factors' | 'interrupt'> {
  readonly irq: IrqLine;
  readonly jumpers: Sb16Jumpers;
}

/** A Sound Blaster 16 without its synthesizer and MIDI port: DSP 4.05 and CT1745 mixer. */
export class Sb16 implements Device {
  readonly #irq: IrqLine;
  readonly #mixer: Ct1745Mixer;
  readonly #dsp: Sb16Dsp;
  /** Interrupts that have not been acknowledged. */
  #interrupts = 0;
  #inReset = false;

  constructor(wiring: Sb16Wiring) {
    this.#irq = wiring.irq;
    this.#mixer = new Ct1745Mixer(wiring.jumpers, () => this.#interrupts);
    this.#dsp = new Sb16Dsp({
      ...wiring,
      factors: () => this.#mixer.voiceFactors,
      interrupt: (wide) => this.#setInterrupts(this.#interrupts | (wide ? INTERRUPT_16 : INTERRUPT_8)),
    });
  }

  read(offset: number, _size: number): number {
    switch (offset) {
      case PORT.mixerIndex:
        return this.#mixer.index;
      case PORT.mixerData:
        return this.#mixer.read();
      case PORT.dspRead:
        return this.#dsp.read();
      case PORT.dspWrite:
        return STATUS_OTHERS;
      case PORT.dspReadStatus:
        this.#setInterrupts(this.#interrupts & ~INTERRUPT_8);
        return STATUS_OTHERS | (this.#dsp.hasAnswer ? HAS_ANSWER : 0);
      case PORT.acknowledge16:
        this.#setInterrupts(this.#interrupts & ~INTERRUPT_16);
        return FLOATING;
      default:
        return FLOATING;
    }
  }

  write(offset: number, _size: number, value: number): void {
    const byte = value & 0xff;
    if (offset === PORT.mixerIndex) this.#mixer.index = byte;
    else if (offset === PORT.mixerData) this.#mixer.write(byte);
    else if (offset === PORT.dspReset) this.#writeReset(byte);
    else if (offset === PORT.dspWrite && !this.#inReset) this.#dsp.write(byte);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      interrupts: this.#interrupts,
      inReset: this.#inReset,
      mixer: this.#mixer.save(),
      dsp: this.#dsp.save(),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Sb16', state.version, STATE_VERSION);
    this.#inReset = Boolean(state.inReset);
    this.#mixer.restore(state.mixer as DeviceState);
    this.#dsp.restore(state.dsp as DeviceState);
    this.#setInterrupts(Number(state.interrupts));
  }

  /** A reset ends with the falling edge of bit 0. */
  #writeReset(byte: number): void {
    const inReset = (byte & RESET) !== 0;
    if (this.#inReset && !inReset) {
      this.#dsp.reset();
      this.#setInterrupts(0);
    }
    this.#inReset = inReset;
  }

  #setInterrupts(interrupts: number): void {
    this.#interrupts = interrupts;
    this.#irq.set(interrupts !== 0);
  }
}
