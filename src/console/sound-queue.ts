const CHANNELS = 2;
const FULL_SCALE = 0x8000;
/** Frames of 48 kHz: how many are gathered before they are played, so that pieces may come unevenly, and how many may wait at most. */
const FIRST_FRAMES = 2_400;
const MOST_FRAMES = 4_800;

/** Sound between the network, which brings it in pieces, and the speakers, which want it evenly: never more than a tenth of a second of it. */
export class SoundQueue {
  readonly #samples = new Int16Array(MOST_FRAMES * CHANNELS);
  #start = 0;
  #frames = 0;
  #playing = false;
  /** Frames of silence since the first of those that wait came. */
  #waited = 0;

  /** Takes interleaved stereo. Of what is too much the oldest is dropped. */
  push(samples: Int16Array): void {
    const frames = Math.floor(samples.length / CHANNELS);
    const first = Math.max(0, frames - MOST_FRAMES);
    const dropped = Math.max(0, this.#frames + (frames - first) - MOST_FRAMES);
    this.#drop(dropped);
    for (let frame = first; frame < frames; frame++) {
      const at = ((this.#start + this.#frames++) % MOST_FRAMES) * CHANNELS;
      this.#samples[at] = samples[frame * CHANNELS];
      this.#samples[at + 1] = samples[frame * CHANNELS + 1];
    }
  }

  /** Fills both channels with the next samples, from -1 to 1, and with silence where there are none. */
  pull(left: Float32Array, right: Float32Array): void {
    if (!this.#playing) this.#gather(left.length);
    const frames = this.#playing ? Math.min(left.length, this.#frames) : 0;
    for (let i = 0; i < frames; i++) {
      const at = ((this.#start + i) % MOST_FRAMES) * CHANNELS;
      left[i] = this.#samples[at] / FULL_SCALE;
      right[i] = this.#samples[at + 1] / FULL_SCALE;
    }
    this.#drop(frames);
    left.fill(0, frames);
    right.fill(0, frames);
    if (frames < left.length) this.#playing = false;
  }

  /** Sound that is shorter than what is gathered is played after as long a time. */
  #gather(frames: number): void {
    if (this.#frames > 0) this.#waited += frames;
    this.#playing = this.#frames >= FIRST_FRAMES || this.#waited >= FIRST_FRAMES;
    if (this.#playing) this.#waited = 0;
  }

  #drop(frames: number): void {
    this.#start = (this.#start + frames) % MOST_FRAMES;
    this.#frames -= frames;
  }
}
