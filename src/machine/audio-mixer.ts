import type { AudioSink, AudioVoice } from './interfaces.ts';

/** How far a voice that plays may stay behind another before the sink no longer waits for it, in seconds. */
const LONGEST_LAG_SECONDS = 0.25;
const CHANNELS = 2;

/**
 * Puts the sound of several chips together: brings it to the sink's rate by linear interpolation, adds it up, and hands
 * on what all voices that play have given.
 */
export class AudioMixer {
  readonly #sink: AudioSink;
  readonly #voices: MixedVoice[] = [];
  /** Sums of what the sink has not got yet, interleaved. */
  readonly #sums: Int32Array;
  readonly #lagFrames: number;

  constructor(sink: AudioSink) {
    this.#sink = sink;
    this.#lagFrames = Math.ceil(sink.rateHz * LONGEST_LAG_SECONDS);
    this.#sums = new Int32Array((this.#lagFrames + 1) * CHANNELS);
  }

  /** Makes the line of one more chip. */
  voice(): AudioVoice {
    const voice = new MixedVoice(
      this.#sink.rateHz,
      (at, left, right) => this.#add(at, left, right),
      () => this.#passOn(),
    );
    this.#voices.push(voice);
    return voice;
  }

  #add(at: number, left: number, right: number): void {
    this.#sums[at * CHANNELS] += left;
    this.#sums[at * CHANNELS + 1] += right;
    if (at >= this.#lagFrames) this.#emit(at + 1 - this.#lagFrames);
  }

  /** Hands on what every voice that plays has given. */
  #passOn(): void {
    const playing = this.#voices.filter((voice) => voice.playing);
    const given = (playing.length > 0 ? playing : this.#voices).map((voice) => voice.frames);
    this.#emit(playing.length > 0 ? Math.min(...given) : Math.max(...given));
  }

  #emit(frames: number): void {
    if (frames === 0) return;
    const sums = this.#sums;
    const length = frames * CHANNELS;
    this.#sink.play(Int16Array.from(sums.subarray(0, length), clip));
    sums.copyWithin(0, length);
    sums.fill(0, sums.length - length);
    for (const voice of this.#voices) voice.frames = Math.max(0, voice.frames - frames);
  }
}

/** A chip's line with what it remembers between two pieces of sound. */
class MixedVoice implements AudioVoice {
  /** Frames that it has given and the sink has not got. */
  frames = 0;
  playing = false;
  readonly #rateHz: number;
  readonly #add: (at: number, left: number, right: number) => void;
  readonly #passOn: () => void;
  /** Where the next frame lies between the last one given and the one after it, 0 to 1. */
  #phase = 0;
  #left = 0;
  #right = 0;

  constructor(rateHz: number, add: (at: number, left: number, right: number) => void, passOn: () => void) {
    this.#rateHz = rateHz;
    this.#add = add;
    this.#passOn = passOn;
  }

  play(samples: Int16Array, rateHz: number): void {
    this.playing = true;
    const step = rateHz / this.#rateHz;
    for (let i = 0; i + 1 < samples.length; i += CHANNELS) {
      const [left, right] = [samples[i], samples[i + 1]];
      for (; this.#phase < 1; this.#phase += step) {
        const at = this.frames++;
        this.#add(at, between(this.#left, left, this.#phase), between(this.#right, right, this.#phase));
      }
      this.#phase -= 1;
      this.#left = left;
      this.#right = right;
    }
    this.#passOn();
  }

  stop(): void {
    this.playing = false;
    this.#passOn();
  }
}

function between(from: number, to: number, phase: number): number {
  return Math.round(from + (to - from) * phase);
}

function clip(sum: number): number {
  return Math.max(-32768, Math.min(32767, sum));
}
