import { requireVersion } from '../../base/state-version.ts';
import { readGuest, restartable, writeGuest } from '../../machine/dma.ts';
import type { Alarm, AudioVoice, Clock, DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { SamplePace, type SamplePaceState } from '../../machine/sample-pace.ts';

/** Registers of a bus master (Intel 82801AA data sheet, section 13.2). */
const REG = { bdbar: 0x0, civ: 0x4, lvi: 0x5, sr: 0x6, picb: 0x8, piv: 0xa, cr: 0xb } as const;

/** Bytes of a bus master's registers. */
export const BUS_MASTER_BYTES = 0x10;

const SR_DCH = 0x01;
const SR_CELV = 0x02;
const SR_LVBCI = 0x04;
const SR_BCIS = 0x08;
const SR_FIFOE = 0x10;
const SR_CLEARABLE = SR_LVBCI | SR_BCIS | SR_FIFOE;
const CR_RPBM = 0x01;
const CR_RR = 0x02;
const CR_LVBIE = 0x04;
const CR_IOCE = 0x10;
const CR_INTERRUPTS = 0x1c;
const DESCRIPTOR_BYTES = 8;
const DESCRIPTOR_INDEX = 31;
const DESCRIPTOR_IOC = 0x8000;
/** How often samples are moved. */
const PERIODS_HZ = 200;
/** More is moved at once by nobody: the guest's time has leapt. */
const MOST_FRAMES = 16_384;
const STATE_VERSION = 1;

/** What a bus master is connected to. */
export interface BusMasterWiring {
  readonly kind: 'play' | 'record';
  /** Samples of a frame. */
  readonly channels: 1 | 2;
  readonly clock: Clock;
  readonly memory: GuestMemory;
  readonly voice?: AudioVoice;
  pageIn(gpa: number): Promise<void>;
  /** Frames a second. */
  rateHz(): number;
  /** What sound is multiplied by, left and right. */
  factors(): readonly [left: number, right: number];
  /** Whether the function may reach memory. */
  mayMaster(): boolean;
  /** Told when the interrupt of this bus master may have changed. */
  interruptChanged(): void;
}

/** The registers, by the data sheet's names, and the descriptor in work. */
interface Registers {
  bdbar: number;
  civ: number;
  lvi: number;
  sr: number;
  /** Samples left in the buffer. */
  picb: number;
  piv: number;
  cr: number;
  /** Whether the descriptor at CIV has been read and its buffer has not ended. */
  loaded: boolean;
  /** Where the next sample is. */
  address: number;
  /** The upper word of the descriptor's second half. */
  control: number;
}

/**
 * One of the controller's bus masters: goes through a ring of up to 32 buffers in memory at the pace of its rate, up to
 * the last valid one. One that records hears silence.
 */
export class AudioBusMaster {
  readonly #wiring: BusMasterWiring;
  readonly #alarm: Alarm;
  readonly #pace: SamplePace;
  readonly #work: () => void;
  readonly #buffer: Uint8Array;
  #r: Registers = afterReset(0);

  constructor(wiring: BusMasterWiring) {
    this.#wiring = wiring;
    this.#pace = new SamplePace(wiring.clock);
    this.#buffer = new Uint8Array(MOST_FRAMES * wiring.channels * 2);
    this.#work = restartable(
      (gpa) => wiring.pageIn(gpa),
      () => this.#move(),
    );
    this.#alarm = wiring.clock.createAlarm(() => this.#work());
  }

  /** Whether an interrupt of this bus master waits and is enabled. */
  get interrupt(): boolean {
    const { sr, cr } = this.#r;
    return ((sr & SR_LVBCI) !== 0 && (cr & CR_LVBIE) !== 0) || ((sr & SR_BCIS) !== 0 && (cr & CR_IOCE) !== 0);
  }

  /** To be called when the rate has changed. */
  rateChanged(): void {
    this.#pace.begin();
    this.#arm();
  }

  /** Its registers, as bytes: they say how far it is to the sample, since drivers measure the rate by them. */
  registers(): Uint8Array {
    if (this.#running) this.#work();
    const bytes = new Uint8Array(BUS_MASTER_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(REG.bdbar, this.#r.bdbar, true);
    view.setUint16(REG.sr, this.#r.sr, true);
    view.setUint16(REG.picb, this.#r.picb, true);
    bytes[REG.civ] = this.#r.civ;
    bytes[REG.lvi] = this.#r.lvi;
    bytes[REG.piv] = this.#r.piv;
    bytes[REG.cr] = this.#r.cr;
    return bytes;
  }

  /** Writes one byte of its registers. @param offset 0 to 15 */
  writeByte(offset: number, byte: number): void {
    if (offset < REG.civ) this.#writeBase(offset * 8, byte);
    else if (offset === REG.lvi) this.#writeLastValid(byte & DESCRIPTOR_INDEX);
    else if (offset === REG.sr) this.#r.sr &= ~(byte & SR_CLEARABLE);
    else if (offset === REG.cr) this.#writeControl(byte);
    this.#wiring.interruptChanged();
  }

  /** As a reset of the link does it. */
  reset(): void {
    this.#r = afterReset(0);
    this.#silence();
  }

  save(): DeviceState {
    return { version: STATE_VERSION, registers: { ...this.#r }, pace: this.#pace.save() };
  }

  restore(state: DeviceState): void {
    requireVersion('AudioBusMaster', state.version, STATE_VERSION);
    this.#silence();
    this.#r = { ...(state.registers as Registers) };
    this.#pace.restore(state.pace as SamplePaceState);
    this.#arm();
  }

  get #running(): boolean {
    return (this.#r.cr & CR_RPBM) !== 0 && !(this.#r.sr & SR_DCH);
  }

  #writeBase(shift: number, byte: number): void {
    const kept = this.#r.bdbar & ~(0xff << shift);
    this.#r.bdbar = ((kept | (byte << shift)) & ~7) >>> 0;
  }

  /** A new last buffer lets a bus master go on that had come to its last one. */
  #writeLastValid(index: number): void {
    this.#r.lvi = index;
    if (this.#r.cr & CR_RPBM && this.#r.sr & SR_DCH) this.#run();
  }

  #writeControl(byte: number): void {
    const wasRunning = (this.#r.cr & CR_RPBM) !== 0;
    if (byte & CR_RR) {
      if (!(byte & CR_RPBM)) this.#r = afterReset(this.#r.cr & CR_INTERRUPTS);
      this.#silence();
      return;
    }
    this.#r.cr = byte & (CR_INTERRUPTS | CR_RPBM);
    if (byte & CR_RPBM) {
      if (!wasRunning) this.#run();
    } else {
      this.#r.sr |= SR_DCH;
      this.#silence();
    }
  }

  #run(): void {
    this.#r.sr &= ~(SR_DCH | SR_CELV);
    this.#pace.begin();
    this.#work();
  }

  #silence(): void {
    this.#alarm.cancel();
    this.#wiring.voice?.stop();
  }

  #arm(): void {
    if (!this.#running) return;
    const rateHz = this.#wiring.rateHz();
    const left = Math.ceil(this.#r.picb / this.#wiring.channels);
    const frames = Math.max(1, Math.min(left, Math.ceil(rateHz / PERIODS_HZ)));
    this.#alarm.arm(this.#pace.deadlineNanos(frames, rateHz));
  }

  /** Moves what is due. @throws {PageAbsent} what was moved before has been accounted for */
  #move(): void {
    if (!this.#running) return;
    const due = this.#pace.due(this.#wiring.rateHz());
    if (due > MOST_FRAMES || !this.#wiring.mayMaster()) this.#pace.begin();
    else this.#moveFrames(due);
    this.#wiring.interruptChanged();
    this.#arm();
  }

  #moveFrames(frames: number): void {
    for (let left = frames; this.#running; ) {
      if (!this.#r.loaded) this.#loadDescriptor();
      const samples = Math.min(left * this.#wiring.channels, this.#r.picb);
      if (samples > 0) {
        this.#moveSamples(samples);
        const moved = Math.ceil(samples / this.#wiring.channels);
        left -= moved;
        this.#pace.take(moved);
      }
      if (this.#r.picb === 0) this.#endBuffer();
      else if (left === 0) return;
    }
  }

  #loadDescriptor(): void {
    const r = this.#r;
    const bytes = new Uint8Array(DESCRIPTOR_BYTES);
    readGuest(this.#wiring.memory, r.bdbar + r.piv * DESCRIPTOR_BYTES, bytes);
    const view = new DataView(bytes.buffer);
    r.civ = r.piv;
    r.piv = (r.piv + 1) & DESCRIPTOR_INDEX;
    r.address = (view.getUint32(0, true) & ~1) >>> 0;
    r.picb = view.getUint16(4, true);
    r.control = view.getUint16(6, true);
    r.loaded = true;
  }

  #moveSamples(samples: number): void {
    const { kind, memory, voice } = this.#wiring;
    const data = this.#buffer.subarray(0, samples * 2);
    if (kind === 'record') writeGuest(memory, this.#r.address, data);
    else {
      readGuest(memory, this.#r.address, data);
      voice?.play(this.#framesOf(data), this.#wiring.rateHz());
    }
    this.#r.address += data.length;
    this.#r.picb -= samples;
  }

  #framesOf(data: Uint8Array): Int16Array {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const factors = this.#wiring.factors();
    const sample = (i: number) => Math.round(view.getInt16(i * 2, true) * factors[i & 1]);
    const length = (data.length >> 2) * 2;
    return Int16Array.from({ length }, (_, i) => Math.max(-32768, Math.min(32767, sample(i))));
  }

  /** @see Intel 82801AA data sheet, section 13.2.3, of LVBCI and CELV */
  #endBuffer(): void {
    const r = this.#r;
    r.loaded = false;
    if (r.control & DESCRIPTOR_IOC) r.sr |= SR_BCIS;
    if (r.civ !== r.lvi) return;
    r.sr |= SR_LVBCI | SR_CELV | SR_DCH;
    this.#silence();
  }
}

/** @param cr the control register, of which the interrupt enables outlive a reset */
function afterReset(cr: number): Registers {
  return { bdbar: 0, civ: 0, lvi: 0, sr: SR_DCH, picb: 0, piv: 0, cr, loaded: false, address: 0, control: 0 };
}
