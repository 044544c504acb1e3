import type { Alarm, AudioVoice, Clock } from '../../machine/interfaces.ts';

/** Frames a second that are made of samples which come at any time. */
const RATE_HZ = 48_000;
const NANOS_PER_SECOND = 1_000_000_000n;
/** A sample that lasts longer than this is the last one. */
const LONGEST_SAMPLE_NANOS = 50_000_000n;

/** The converter as programs drive it that send each sample themselves, by the timer: a sample lasts until the next. It has no state that a guest could see. */
export class DirectDac {
  readonly #clock: Clock;
  readonly #voice: AudioVoice | undefined;
  readonly #alarm: Alarm;
  #frame = Int16Array.of(0, 0);
  /** Frames since power-on up to where the sound has got. */
  #end: bigint | undefined;

  constructor(clock: Clock, voice: AudioVoice | undefined) {
    this.#clock = clock;
    this.#voice = voice;
    this.#alarm = clock.createAlarm(() => this.stop());
  }

  /** Samples of 16 bits, signed. */
  put(left: number, right: number): void {
    if (this.#voice === undefined) return;
    const now = this.#clock.nowNanos();
    const end = (now * BigInt(RATE_HZ)) / NANOS_PER_SECOND;
    const frames = Number(end - (this.#end ?? end));
    const held = Int16Array.from({ length: frames * 2 }, (_, i) => this.#frame[i & 1]);
    if (frames > 0) this.#voice.play(held, RATE_HZ);
    this.#end = end;
    this.#frame = Int16Array.of(left, right);
    this.#alarm.arm(now + LONGEST_SAMPLE_NANOS);
  }

  stop(): void {
    if (this.#end === undefined) return;
    this.#end = undefined;
    this.#alarm.cancel();
    this.#voice?.stop();
  }
}
