import type { DurationHistogram } from '../base/duration-histogram.ts';

/** What a name counts. */
export type Count = readonly [name: string, count: number];

/** What the engines of a machine did since power-on; exits and translated instructions only where regions count them. */
export interface EngineStatistics {
  /** Instructions executed by translated regions; the rest was interpreted. */
  readonly translatedInstructions: number;
  /** Regions that were translated, instructions in them, bytes of WebAssembly, and modules that were dropped for room. */
  readonly regions: number;
  readonly instructionsInRegions: number;
  readonly wasmBytes: number;
  readonly evictedModules: number;
  /** How long batches of translation took; the guest waits meanwhile. */
  readonly compiling: DurationHistogram;
  /** Exits from regions by reason. */
  readonly exits: readonly Count[];
  /** What guest code came to the host for. */
  readonly calls: readonly Count[];
}
