import { requireVersion } from '../../base/state-version.ts';
import type { HostWork } from '../../machine/host-work.ts';
import type { Alarm, AudioVoice, Clock, DeviceState } from '../../machine/interfaces.ts';
import type { IsaDmaChannel } from '../../machine/isa-dma.ts';
import { SamplePace, type SamplePaceState } from '../../machine/sample-pace.ts';
import { fillWithSilence, SampleReader } from './samples.ts';

/** What the DSP moves between memory and its converters. A unit is a byte, or a word of 16-bit transfers. */
export interface Transfer {
  readonly kind: 'play' | 'record' | 'silence';
  /** Whether what is played is not heard. */
  readonly muted?: boolean;
  readonly wide: boolean;
  readonly signed: boolean;
  readonly stereo: boolean;
  /** Whether a block follows the last one. */
  readonly autoInit: boolean;
  /** Units of a block, at whose end there is an interrupt. */
  readonly blockUnits: number;
  /** Units a second. */
  readonly unitsHz: number;
}

/** What a stream is connected to. */
export interface StreamWiring {
  readonly clock: Clock;
  readonly hostWork: HostWork;
  /** DMA channels for bytes and for words. */
  readonly channels: readonly [bytes: IsaDmaChannel, words: IsaDmaChannel];
  readonly voice: AudioVoice | undefined;
  /** What sound is multiplied by, left and right. */
  factors(): readonly [left: number, right: number];
  /** A block has ended. @param wide of 16-bit units */
  blockEnded(wide: boolean): void;
}

/** How often data is moved. */
const PERIODS_HZ = 200;
/** More than this is moved at once by nobody: the guest's time has leapt. */
const MOST_UNITS = 16_384;
const STATE_VERSION = 1;

interface StreamState extends DeviceState {
  readonly transfer: Transfer | null;
  readonly paused: boolean;
  readonly leftUnits: number;
  readonly pace: SamplePaceState;
  /** The left side of a frame whose right one has not come. */
  readonly left: number | null;
}

/** The DSP's data: moved by DMA at the pace of its rate, a few milliseconds at a time and exactly to the end of a block. */
export class DmaStream {
  readonly #wiring: StreamWiring;
  readonly #alarm: Alarm;
  readonly #pace: SamplePace;
  readonly #samples = new SampleReader();
  readonly #buffer = new Uint8Array(MOST_UNITS * 2);
  #transfer: Transfer | null = null;
  #paused = false;
  #leftUnits = 0;

  constructor(wiring: StreamWiring) {
    this.#wiring = wiring;
    this.#pace = new SamplePace(wiring.clock);
    this.#alarm = wiring.clock.createAlarm(() => wiring.hostWork.access(() => this.#move()));
  }

  /** Begins a transfer in the place of the one under way. */
  start(transfer: Transfer): void {
    this.#transfer = transfer;
    this.#leftUnits = transfer.blockUnits;
    this.#samples.left = null;
    this.resume();
  }

  pause(): void {
    this.#paused = true;
    this.#alarm.cancel();
    this.#wiring.voice?.stop();
  }

  resume(): void {
    this.#paused = false;
    this.#pace.begin();
    this.#arm();
  }

  /** Lets an auto-initialised transfer end with the block that it is in. */
  endAfterBlock(): void {
    if (this.#transfer) this.#transfer = { ...this.#transfer, autoInit: false };
  }

  stop(): void {
    this.#transfer = null;
    this.pause();
  }

  save(): StreamState {
    return {
      version: STATE_VERSION,
      transfer: this.#transfer,
      paused: this.#paused,
      leftUnits: this.#leftUnits,
      pace: this.#pace.save(),
      left: this.#samples.left,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('DmaStream', state.version, STATE_VERSION);
    const { transfer, paused, leftUnits, pace, left } = state as StreamState;
    this.#alarm.cancel();
    this.#wiring.voice?.stop();
    this.#samples.left = left;
    this.#transfer = transfer;
    this.#paused = paused;
    this.#leftUnits = leftUnits;
    this.#pace.restore(pace);
    this.#arm();
  }

  #arm(): void {
    if (!this.#transfer || this.#paused) return;
    const { unitsHz } = this.#transfer;
    const units = Math.min(this.#leftUnits, Math.ceil(unitsHz / PERIODS_HZ));
    this.#alarm.arm(this.#pace.deadlineNanos(units, unitsHz));
  }

  /** Moves what is due. @throws {PageAbsent} nothing has happened yet */
  #move(): void {
    if (!this.#transfer || this.#paused) return;
    const due = this.#pace.due(this.#transfer.unitsHz);
    const units = Math.min(due, this.#leftUnits, MOST_UNITS);
    if (units > 0) {
      const moved = this.#moveUnits(this.#transfer, units);
      this.#pace.take(moved);
      this.#leftUnits -= moved;
      if (moved < units || due > MOST_UNITS) this.#pace.begin();
      if (this.#leftUnits === 0) this.#endBlock(this.#transfer);
    }
    this.#arm();
  }

  /** @returns how many were moved: the DMA controller may serve fewer, or none */
  #moveUnits(transfer: Transfer, units: number): number {
    if (transfer.kind === 'silence') return units;
    const { channels, voice } = this.#wiring;
    const unitBytes = transfer.wide ? 2 : 1;
    const data = this.#buffer.subarray(0, units * unitBytes);
    fillWithSilence(data, transfer);
    const { moved } = channels[transfer.wide ? 1 : 0].move(transfer.kind === 'play' ? 'fromMemory' : 'toMemory', data);
    if (transfer.kind === 'play' && voice && !transfer.muted) {
      const frames = this.#samples.framesOf(data.subarray(0, moved), transfer, this.#wiring.factors());
      voice.play(frames, transfer.unitsHz / (transfer.stereo ? 2 : 1));
    }
    return moved / unitBytes;
  }

  #endBlock({ wide, autoInit, blockUnits }: Transfer): void {
    if (autoInit) this.#leftUnits = blockUnits;
    else this.stop();
    this.#wiring.blockEnded(wide);
  }
}
