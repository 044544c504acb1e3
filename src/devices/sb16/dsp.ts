import { requireVersion } from '../../base/state-version.ts';
import type { AudioVoice, DeviceState } from '../../machine/interfaces.ts';
import { adpcmSamples, type CommandName, commandOf } from './commands.ts';
import { DirectDac } from './direct-dac.ts';
import { DmaStream, type StreamWiring, type Transfer } from './dma-stream.ts';
import { scaled } from './samples.ts';

/** What the DSP is connected to. */
export interface DspWiring extends Omit<StreamWiring, 'blockEnded' | 'voice'> {
  /** Makes the line of one more converter; absent where nobody hears them. */
  readonly voice?: () => AudioVoice;
  /** @param wide an interrupt of 16-bit transfers, else of 8-bit ones */
  interrupt(wide: boolean): void;
}

const READY = 0xaa;
/** DSP 4.05: a Sound Blaster 16. */
const VERSION = [4, 5];
const COPYRIGHT = 'COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.\0';
const SPEAKER_ON = 0xff;
const MIDDLE = 0x80;
const FLOATING = 0xff;
const MOST_ANSWERS = 64;
/** Bits of the codes B0h to CFh, and of the mode that follows them. */
const CODE_AUTO_INIT = 0x04;
const CODE_RECORD = 0x08;
const MODE_SIGNED = 0x10;
const MODE_STEREO = 0x20;
const MEGAHERTZ = 1_000_000;
const LOWEST_RATE_HZ = 3_906;
const HIGHEST_RATE_HZ = 48_000;
const POWER_ON_RATE_HZ = 11_025;
const POWER_ON_BLOCK = 0x800;
const STATE_VERSION = 1;

interface DspState extends DeviceState {
  readonly code: number | null;
  readonly parameters: readonly number[];
  readonly answers: readonly number[];
  readonly rateHz: number;
  readonly blockUnits: number;
  readonly speaker: number;
  readonly test: number;
  readonly stream: DeviceState;
}

/**
 * The digital sound processor of a Sound Blaster 16, version 4.05: takes commands byte by byte, answers some, and moves
 * samples by DMA. Compressed sound (ADPCM) takes its time and its data, and is silent; MIDI goes nowhere.
 */
export class Sb16Dsp {
  readonly #wiring: DspWiring;
  readonly #direct: DirectDac;
  readonly #stream: DmaStream;
  /** The command that waits for its parameters. */
  #code: number | null = null;
  #parameters: number[] = [];
  #answers: number[] = [];
  #rateHz = POWER_ON_RATE_HZ;
  #blockUnits = POWER_ON_BLOCK;
  #speaker = 0;
  #test = 0;

  constructor(wiring: DspWiring) {
    this.#wiring = wiring;
    this.#direct = new DirectDac(wiring.clock, wiring.voice?.());
    const blockEnded = (wide: boolean) => wiring.interrupt(wide);
    this.#stream = new DmaStream({ ...wiring, voice: wiring.voice?.(), blockEnded });
  }

  /** Whether {@link read} has something to give. */
  get hasAnswer(): boolean {
    return this.#answers.length > 0;
  }

  /** As the reset port does it: everything stops, and the DSP says that it is there. */
  reset(): void {
    this.#stream.stop();
    this.#direct.stop();
    this.#code = null;
    this.#parameters = [];
    this.#answers = [READY];
    this.#rateHz = POWER_ON_RATE_HZ;
    this.#blockUnits = POWER_ON_BLOCK;
    this.#speaker = 0;
  }

  /** Takes the next byte that it has to say. */
  read(): number {
    return this.#answers.shift() ?? FLOATING;
  }

  /** Takes a command, or a parameter of the last one. What it does not know does nothing. */
  write(byte: number): void {
    if (this.#code === null) this.#code = byte;
    else this.#parameters.push(byte);
    const command = commandOf(this.#code);
    if (command && this.#parameters.length < command.parameters) return;
    const [code, parameters] = [this.#code, this.#parameters];
    this.#code = null;
    this.#parameters = [];
    if (command) this.#commands[command.name](parameters, code);
  }

  save(): DspState {
    return {
      version: STATE_VERSION,
      code: this.#code,
      parameters: this.#parameters.slice(),
      answers: this.#answers.slice(),
      rateHz: this.#rateHz,
      blockUnits: this.#blockUnits,
      speaker: this.#speaker,
      test: this.#test,
      stream: this.#stream.save(),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Sb16Dsp', state.version, STATE_VERSION);
    const { code, parameters, answers, rateHz, blockUnits, speaker, test, stream } = state as DspState;
    this.#code = code;
    this.#parameters = [...parameters];
    this.#answers = [...answers];
    this.#rateHz = rateHz;
    this.#blockUnits = blockUnits;
    this.#speaker = speaker;
    this.#test = test;
    this.#direct.stop();
    this.#stream.restore(stream);
  }

  readonly #commands: Readonly<Record<CommandName, (parameters: readonly number[], code: number) => void>> = {
    ignored: () => {},
    aspWrite: () => {},
    aspRead: () => this.#answer(FLOATING),
    directPlay: ([sample]) => this.#playDirect(sample),
    directRecord: () => this.#answer(MIDDLE),
    play8: ([low, high]) => this.#start8('play', lengthOf(low, high)),
    play8Auto: () => this.#start8('play', this.#blockUnits, true),
    play8Block: () => this.#start8('play', this.#blockUnits),
    playAdpcm: ([low, high], code) => this.#startAdpcm(code, lengthOf(low, high), false),
    playAdpcmAuto: (_, code) => this.#startAdpcm(code, this.#blockUnits, true),
    record8: ([low, high]) => this.#start8('record', lengthOf(low, high)),
    record8Auto: () => this.#start8('record', this.#blockUnits, true),
    record8Block: () => this.#start8('record', this.#blockUnits),
    timeConstant: ([constant]) => this.#setRate(MEGAHERTZ / (256 - constant)),
    sampleRate: ([high, low]) => this.#setRate((high << 8) | low),
    blockSize: ([low, high]) => {
      this.#blockUnits = lengthOf(low, high);
    },
    silence: ([low, high]) => this.#start8('silence', lengthOf(low, high)),
    transfer16: (parameters, code) => this.#startTransfer(parameters, code, true),
    transfer8: (parameters, code) => this.#startTransfer(parameters, code, false),
    pause8: () => this.#stream.pause(),
    pause16: () => this.#stream.pause(),
    resume8: () => this.#stream.resume(),
    resume16: () => this.#stream.resume(),
    speakerOn: () => {
      this.#speaker = SPEAKER_ON;
    },
    speakerOff: () => {
      this.#speaker = 0;
    },
    speakerStatus: () => this.#answer(this.#speaker),
    endAuto8: () => this.#stream.endAfterBlock(),
    endAuto16: () => this.#stream.endAfterBlock(),
    identify: ([byte]) => this.#answer(~byte & 0xff),
    version: () => this.#answer(...VERSION),
    copyright: () => this.#answer(...Array.from(COPYRIGHT, (letter) => letter.charCodeAt(0))),
    testWrite: ([byte]) => {
      this.#test = byte;
    },
    testRead: () => this.#answer(this.#test),
    interrupt8: () => this.#wiring.interrupt(false),
    interrupt16: () => this.#wiring.interrupt(true),
  };

  #answer(...bytes: readonly number[]): void {
    this.#answers = [...this.#answers, ...bytes].slice(-MOST_ANSWERS);
  }

  #setRate(hertz: number): void {
    this.#rateHz = Math.round(Math.max(LOWEST_RATE_HZ, Math.min(HIGHEST_RATE_HZ, hertz)));
  }

  #playDirect(byte: number): void {
    const sample = (byte - MIDDLE) << 8;
    const [left, right] = this.#wiring.factors();
    this.#direct.put(scaled(sample, left), scaled(sample, right));
  }

  #start8(kind: Transfer['kind'], blockUnits: number, autoInit = false): void {
    const plain = { wide: false, signed: false, stereo: false, unitsHz: this.#rateHz };
    this.#stream.start({ ...plain, kind, blockUnits, autoInit });
  }

  #startAdpcm(code: number, blockUnits: number, autoInit: boolean): void {
    const unitsHz = Math.round(this.#rateHz / adpcmSamples(code));
    const format = { wide: false, signed: false, stereo: false, muted: true };
    this.#stream.start({ ...format, kind: 'play', blockUnits, autoInit, unitsHz });
  }

  #startTransfer([mode, low, high]: readonly number[], code: number, wide: boolean): void {
    const stereo = (mode & MODE_STEREO) !== 0;
    this.#stream.start({
      kind: code & CODE_RECORD ? 'record' : 'play',
      wide,
      signed: (mode & MODE_SIGNED) !== 0,
      stereo,
      autoInit: (code & CODE_AUTO_INIT) !== 0,
      blockUnits: lengthOf(low, high),
      unitsHz: this.#rateHz * (stereo ? 2 : 1),
    });
  }
}

function lengthOf(low: number, high: number): number {
  return ((high << 8) | low) + 1;
}
