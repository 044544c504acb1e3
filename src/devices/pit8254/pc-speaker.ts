import type { Alarm, AudioVoice, Clock } from '../../machine/interfaces.ts';
import { PIT_HZ, type Pit8254 } from './pit8254.ts';

/** Frames a second that are made of the counter's output. */
const SPEAKER_HZ = 48_000;
const TICKS_PER_FRAME = PIT_HZ / SPEAKER_HZ;
/** How far the cone moves to either side. */
const AMPLITUDE = 8_192;
/** How often a tone that lasts is passed on. A period without any edge is silence. */
const PERIOD_NANOS = 50_000_000n;
const LONGEST_PERIOD_FRAMES = 48_000;

/**
 * The PC's loudspeaker behind OUT 2 of its timer and bit 1 of port 61h. It hears every edge of the counter, so that both
 * tones and sound made of pulse widths play. It has no state that a guest could see.
 */
export class PcSpeaker {
  readonly #clock: Clock;
  readonly #pit: Pit8254;
  readonly #voice: AudioVoice | undefined;
  readonly #alarm: Alarm;
  #enabled = false;
  #playing = false;
  /** Where the sound that was played ends. */
  #tick = 0;
  #frameEnd = 0;
  /** What the frame that ends there has got: level times ticks. */
  #frameSum = 0;

  /** @param voice where it plays; absent: nobody hears it */
  constructor(clock: Clock, pit: Pit8254, voice: AudioVoice | undefined) {
    this.#clock = clock;
    this.#pit = pit;
    this.#voice = voice;
    this.#alarm = clock.createAlarm(() => this.#goOn());
    pit.beforeTone(() => this.#sync());
  }

  /** Whether the counter reaches the speaker: SPKR DAT EN of port 61h. */
  get enabled(): boolean {
    return this.#enabled;
  }

  set enabled(enabled: boolean) {
    this.#sync();
    this.#enabled = enabled;
    if (enabled) this.#begin();
  }

  /** After the state of timer and port was restored: what played before is over. */
  restart(enabled: boolean): void {
    this.#stop();
    this.enabled = enabled;
  }

  /** Plays what the counter gave until now. */
  #sync(): void {
    if (this.#playing) this.#render();
    if (this.#enabled) this.#begin();
  }

  #begin(): void {
    if (this.#voice === undefined || this.#playing) return;
    this.#playing = true;
    this.#tick = this.#pit.tick;
    this.#frameEnd = this.#tick + TICKS_PER_FRAME;
    this.#frameSum = 0;
    this.#arm();
  }

  #goOn(): void {
    if (!this.#playing) return;
    if (this.#render() && this.#enabled) this.#arm();
    else this.#stop();
  }

  #stop(): void {
    this.#playing = false;
    this.#alarm.cancel();
    this.#voice?.stop();
  }

  #arm(): void {
    this.#alarm.arm(this.#clock.nowNanos() + PERIOD_NANOS);
  }

  /** Makes frames of the counter's output up to now. @returns whether it changed */
  #render(): boolean {
    const frames: number[] = [];
    const end = this.#pit.tick;
    let edges = 0;
    while (this.#tick < end && frames.length < LONGEST_PERIOD_FRAMES) {
      const edge = this.#pit.nextToneEdge(this.#tick) ?? end;
      if (edge < end) edges++;
      this.#hold(this.#level(), Math.min(edge, end), frames);
    }
    this.#tick = end;
    if (frames.length > 0) this.#voice?.play(Int16Array.from(frames), SPEAKER_HZ);
    return edges > 0;
  }

  #level(): number {
    if (!this.#enabled) return 0;
    return this.#pit.toneAt(this.#tick) ? AMPLITUDE : -AMPLITUDE;
  }

  /** Holds a level until a tick: a frame is the mean of its time. */
  #hold(level: number, until: number, frames: number[]): void {
    let from = this.#tick;
    for (; this.#frameEnd <= until; this.#frameEnd += TICKS_PER_FRAME) {
      const sample = Math.round((this.#frameSum + level * (this.#frameEnd - from)) / TICKS_PER_FRAME);
      frames.push(sample, sample);
      from = this.#frameEnd;
      this.#frameSum = 0;
    }
    this.#frameSum += level * (until - from);
    this.#tick = until;
  }
}
