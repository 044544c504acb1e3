import { ByteReader } from '../../src/base/bytes.ts';

/** What a RIFF WAVE file holds: 16-bit stereo. */
export interface Wave {
  readonly rateHz: number;
  readonly left: Int16Array;
  readonly right: Int16Array;
}

const HEADER_BYTES = 44;

/** Reads a file with the canonical header. @throws {Error} its header does not fit its length, or says something else */
export function readWave(bytes: Uint8Array): Wave {
  const reader = new ByteReader(bytes);
  const dataBytes = bytes.length - HEADER_BYTES;
  const words = [reader.u32(4), reader.u16(20), reader.u16(22), reader.u16(34), reader.u32(40)];
  if (words.join() !== [bytes.length - 8, 1, 2, 16, dataBytes].join()) throw new Error(`the header says ${words}`);
  const samples = new Int16Array(Uint8Array.from(bytes.subarray(HEADER_BYTES)).buffer);
  const side = (first: number) => samples.filter((_, i) => i % 2 === first);
  return { rateHz: reader.u32(24), left: side(0), right: side(1) };
}

/** The frequency of a tone, by counting how often it rises through zero between the first and the last time. */
export function frequencyOf(samples: Int16Array, rateHz: number): number {
  const rises = risesOf(samples);
  const [first, last] = [rises[0] ?? 0, rises.at(-1) ?? 0];
  return ((rises.length - 1) * rateHz) / (last - first);
}

/** The same of a tone of which pieces may be missing: periods that are unlike most do not count. @returns it, and the share of those that do */
export function brokenFrequencyOf(samples: Int16Array, rateHz: number): [hertz: number, share: number] {
  const rises = risesOf(samples);
  const periods = rises.slice(1).map((at, n) => at - rises[n]);
  const middle = periods.toSorted((a, b) => a - b)[periods.length >> 1] ?? 0;
  const usual = periods.filter((period) => Math.abs(period - middle) <= 1);
  const mean = usual.reduce((sum, period) => sum + period, 0) / usual.length;
  return [rateHz / mean, usual.length / periods.length];
}

function risesOf(samples: Int16Array): number[] {
  const rises: number[] = [];
  for (let i = 1; i < samples.length; i++) if (samples[i - 1] < 0 && samples[i] >= 0) rises.push(i);
  return rises;
}
