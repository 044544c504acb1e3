import type { DurationHistogram } from '../base/duration-histogram.ts';

/** What a name counts. */
export type Count = readonly [name: string, count: number];

/** What a machine's engine did since power-on, where it was asked to count. */
export interface VmStatistics {
  /** Instructions executed by translated regions; the rest was interpreted. */
  readonly translatedInstructions: number;
  /** Regions that were translated, instructions in them, bytes of WebAssembly, and modules that were dropped for room. */
  readonly regions: number;
  readonly instructionsInRegions: number;
  readonly wasmBytes: number;
  readonly evictedModules: number;
  /** How long batches of translation took; the guest waits meanwhile. */
  readonly compiling: DurationHistogram;
  /** How long the guest ran without the host's event loop getting a turn, and how long the loop's turns were. */
  readonly slices: DurationHistogram;
  readonly turns: DurationHistogram;
  /** Exits from regions by reason. */
  readonly exits: readonly Count[];
  /** What guest code came to the host for. */
  readonly calls: readonly Count[];
  /** Where slices ended, the most frequent first, in parts of all slices. */
  readonly addresses: readonly Count[];
}
