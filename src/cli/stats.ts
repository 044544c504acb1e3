import { type Session as InspectorSession, Session } from 'node:inspector/promises';
import { PerformanceObserver } from 'node:perf_hooks';
import { DurationHistogram } from '../base/duration-histogram.ts';
import type { Count, VmStats } from '../vm/index.ts';

const SAMPLE_MICROS = 1000;
const MOST_REGIONS = 12;
const REGION = /^region_/;

/** Whose time a function's is, by its name and by the address of its source; the first that fits. */
const OWNERS: readonly (readonly [owner: string, name: RegExp, url: RegExp])[] = [
  ['garbage collection', /^\(garbage collector\)$/, /^$/],
  ['idle', /^\(idle\)$/, /^$/],
  ['translated regions', REGION, /^wasm:/],
  ['interpreter and helpers', /(?:)/, /^wasm:/],
  ['translation', /(?:)/, /\/cpu\/jit\/|\/cpu\/(linker|emit|local-plan)\.|\/(wasm|ir|isa)\//],
  ['processor, in TypeScript', /(?:)/, /\/cpu\//],
  ['devices and boards', /(?:)/, /\/(devices|boards|machine|disk|net|display)\//],
  ['everything else', /(?:)/, /(?:)/],
];

/** Samples what this process does until the end, and its garbage collections. */
export class HostStatistics {
  readonly #session: InspectorSession = new Session();
  readonly #collections = new DurationHistogram();
  readonly #observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) this.#collections.add(duration);
  });

  async start(): Promise<void> {
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROS });
    await this.#session.post('Profiler.start');
  }

  /** Ends the sampling. @returns lines for people */
  async finish(): Promise<string[]> {
    const { profile } = await this.#session.post('Profiler.stop');
    this.#session.disconnect();
    this.#observer.disconnect();
    const [owners, regions] = [new Map<string, number>(), new Map<string, number>()];
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    for (const [n, id] of (profile.samples ?? []).entries()) {
      const micros = profile.timeDeltas?.[n] ?? 0;
      const { functionName = '', url = '' } = frames.get(id) ?? {};
      const owner = OWNERS.find(([, name, source]) => name.test(functionName) && source.test(url))?.[0] ?? '';
      owners.set(owner, (owners.get(owner) ?? 0) + micros);
      if (REGION.test(functionName)) regions.set(functionName, (regions.get(functionName) ?? 0) + micros);
    }
    const all = [...owners.values()].reduce((a, b) => a + b, 0);
    return [
      ...shares('time of', owners, all),
      ...shares('time of', regions, all).slice(0, MOST_REGIONS),
      durations('garbage collections', this.#collections),
    ];
  }
}

function shares(what: string, micros: ReadonlyMap<string, number>, all: number): string[] {
  const sorted = [...micros].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, time]) => `${what} ${name} ${percent(time / all)}`);
}

/** What the machine counted, as lines for people. */
export function machineLines({ details, instructions }: VmStats): string[] {
  if (details === undefined) return [];
  const translated = details.translatedInstructions / Number(instructions);
  const counts = (what: string, list: readonly Count[]) =>
    list.filter(([, count]) => count > 0).map(([name, count]) => `${what} ${name} ${count}`);
  return [
    `instructions in translated regions ${percent(translated)}, interpreted ${percent(1 - translated)}`,
    `regions ${details.regions} of ${details.instructionsInRegions} instructions, ${details.wasmBytes} bytes of WebAssembly, ${details.evictedModules} modules evicted`,
    durations('batches of translation', details.compiling),
    durations('slices', details.slices),
    durations('waits of slices for translation', details.waits),
    durations('turns between slices', details.turns),
    ...counts('exits', details.exits),
    ...counts('came for', details.calls),
    ...details.addresses.map(([at, part]) => `slices ended at ${at} ${percent(part)}`),
  ];
}

function durations(what: string, histogram: DurationHistogram): string {
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map((part) => histogram.quantileMillis(part).toFixed(3));
  const longest = histogram.longestMillis.toFixed(3);
  return `${what} ${histogram.count}, ${histogram.sumMillis.toFixed(0)} ms in all; ms: p50 ${p50}, p99 ${p99}, p99.9 ${p999}, longest ${longest}`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
