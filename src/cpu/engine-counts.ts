import type { SystemCall } from '../isa/system-calls.ts';

/** How often guest code came to the host, by reason. */
export class EngineCounts {
  /** Blocks that were decoded. */
  decoded = 0;
  /** Exceptions of guest code. */
  exceptions = 0;
  mmioReads = 0;
  mmioWrites = 0;
  /** Writes to pages with decoded code or that somebody watches. */
  watchedWrites = 0;
  /** Calls of system helpers. */
  readonly system: Partial<Record<SystemCall, number>> = {};
}
