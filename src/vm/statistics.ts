import type { DurationHistogram } from '../base/duration-histogram.ts';
import type { Count, EngineStatistics } from '../machine/engine-statistics.ts';

export type { Count };

/** What a machine did since power-on, where it was asked to count. */
export interface VmStatistics extends EngineStatistics {
  /** How long the guest ran without the host's event loop getting a turn, and how long the loop's turns were. */
  readonly slices: DurationHistogram;
  readonly turns: DurationHistogram;
  /** How long translation held up each slice; 0 for most. */
  readonly waits: DurationHistogram;
  /** Where slices ended, the most frequent first, in parts of all slices. */
  readonly addresses: readonly Count[];
}
