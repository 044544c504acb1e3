import { DurationHistogram } from '../base/duration-histogram.ts';
import { EXIT_COUNTS, STATE } from '../isa/registers.ts';
import type { Count, EngineStatistics } from '../machine/engine-statistics.ts';
import type { Engine } from './engine.ts';
import { EXIT_REASONS } from './jit/probe.ts';

/** Adds up what the engines counted. @param engines of one machine: they share the translator */
export function collectStatistics(engines: readonly Engine[]): EngineStatistics {
  const sum = (of: (engine: Engine) => number) => engines.reduce((total, engine) => total + of(engine), 0);
  const translator = engines[0].translator?.stats;
  return {
    translatedInstructions: sum(({ state }) => Number(state.u64(STATE.regionInstructions))),
    regions: translator?.regions ?? 0,
    instructionsInRegions: translator?.instructions ?? 0,
    wasmBytes: translator?.bytes ?? 0,
    evictedModules: translator?.evicted ?? 0,
    compiling: translator?.batches ?? new DurationHistogram(),
    exits: EXIT_REASONS.map((reason, n) => [
      reason,
      sum(({ state }) => Number(state.view.getBigUint64(EXIT_COUNTS + 8 * n, true))),
    ]),
    calls: [
      ['page walks for data', sum(({ state }) => Number(state.u64(STATE.tlbMisses)))],
      ['blocks decoded', sum(({ counts }) => counts.decoded)],
      ['exceptions', sum(({ counts }) => counts.exceptions)],
      ['device memory read', sum(({ counts }) => counts.mmioReads)],
      ['device memory written', sum(({ counts }) => counts.mmioWrites)],
      ['writes to watched pages', sum(({ counts }) => counts.watchedWrites)],
      ...[...sumByName(engines)].map(([name, count]): Count => [`system helper ${name}`, count]),
    ],
  };
}

function sumByName(engines: readonly Engine[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { counts } of engines) {
    for (const [name, count] of Object.entries(counts.system)) sums.set(name, (sums.get(name) ?? 0) + count);
  }
  return sums;
}
