import { DurationHistogram } from '../base/duration-histogram.ts';
import type { PcMachine } from '../boards/pc-machine.ts';
import type { Count, VmStatistics } from './statistics.ts';

const MOST_ADDRESSES = 16;

/** Watches a machine's slices: all that cannot be asked for at the end. */
export class SliceStatistics {
  readonly slices = new DurationHistogram();
  readonly turns = new DurationHistogram();
  readonly waits = new DurationHistogram();
  #translatedMillis = 0;
  readonly #addresses = new Map<string, number>();
  #endedAtMillis: number | undefined;

  begin(): void {
    if (this.#endedAtMillis !== undefined) this.turns.add(performance.now() - this.#endedAtMillis);
    this.#endedAtMillis = undefined;
  }

  /** @param goesOn the guest has more to do  @param millis how long it ran */
  end(machine: PcMachine, goesOn: boolean, millis: number): void {
    this.slices.add(millis);
    this.#addWait(machine.vcpu.engine.translator?.stats.batches.sumMillis ?? 0);
    if (!goesOn) return;
    this.#endedAtMillis = performance.now();
    const at = `0x${machine.vcpu.nextInstruction.toString(16)}`;
    this.#addresses.set(at, (this.#addresses.get(at) ?? 0) + 1);
  }

  /** @param millis that translation has taken since power-on */
  #addWait(millis: number): void {
    this.waits.add(millis - this.#translatedMillis);
    this.#translatedMillis = millis;
  }

  /** Everything that was counted. */
  collect(machine: PcMachine): VmStatistics {
    const samples = [...this.#addresses.values()].reduce((a, b) => a + b, 0);
    return {
      ...machine.engineStatistics(),
      slices: this.slices,
      turns: this.turns,
      waits: this.waits,
      addresses: mostFrequent(this.#addresses).map(([at, count]) => [at, count / samples]),
    };
  }
}

function mostFrequent(counts: ReadonlyMap<string, number>): Count[] {
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, MOST_ADDRESSES);
}
