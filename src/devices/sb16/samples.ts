import type { Transfer } from './dma-stream.ts';

type Format = Pick<Transfer, 'wide' | 'signed' | 'stereo'>;

/** Makes stereo frames of the DSP's data, which may end between the two sides of a frame. */
export class SampleReader {
  /** The left side of a frame whose right one has not come. */
  left: number | null = null;

  /** @param data whole units  @param factors what samples are multiplied by  @returns interleaved, 16 bits */
  framesOf(data: Uint8Array, format: Format, factors: readonly [left: number, right: number]): Int16Array {
    const frames: number[] = [];
    const step = format.wide ? 2 : 1;
    for (let at = 0; at < data.length; at += step) {
      const sample = sampleAt(data, at, format);
      if (!format.stereo) frames.push(sample, sample);
      else if (this.left === null) this.left = sample;
      else {
        frames.push(this.left, sample);
        this.left = null;
      }
    }
    return Int16Array.from(frames, (sample, i) => scaled(sample, factors[i & 1]));
  }
}

/** What the converter hears when nothing is connected to it. */
export function fillWithSilence(data: Uint8Array, { wide, signed }: Format): void {
  data.fill(0);
  if (!signed) for (let at = wide ? 1 : 0; at < data.length; at += wide ? 2 : 1) data[at] = 0x80;
}

/** A sample as a signed number of 16 bits. */
function sampleAt(data: Uint8Array, at: number, { wide, signed }: Format): number {
  const bits = wide ? data[at] | (data[at + 1] << 8) : data[at] << 8;
  return ((signed ? bits : bits ^ 0x8000) << 16) >> 16;
}

/** A sample made louder or softer. */
export function scaled(sample: number, factor: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(sample * factor)));
}
