import { MSR, VARIABLE_RANGES } from './msr-numbers.ts';

/** Fast strings on; no branch trace, no precise event sampling; MONITOR on (SDM 4, IA32_MISC_ENABLE). */
const MISC_ENABLE_RESET = 1n | (1n << 11n) | (1n << 12n) | (1n << 18n);

/** The registers that are stored here, with their values after power-on. */
const POWER_ON: readonly (readonly [number, bigint])[] = [
  [MSR.TSC_ADJUST, 0n],
  [MSR.SPEC_CTRL, 0n],
  [MSR.MCG_STATUS, 0n],
  [MSR.MISC_ENABLE, MISC_ENABLE_RESET],
  [MSR.DEBUGCTL, 0n],
  [MSR.MTRR_FIX64K_00000, 0n],
  [MSR.MTRR_FIX16K_80000, 0n],
  [MSR.MTRR_FIX16K_A0000, 0n],
  ...Array.from({ length: 8 }, (_, index) => [MSR.MTRR_FIX4K_C0000 + index, 0n] as const),
  ...Array.from({ length: 2 * VARIABLE_RANGES }, (_, index) => [MSR.MTRR_PHYSBASE0 + index, 0n] as const),
  [MSR.MTRR_DEF_TYPE, 0n],
];

/** Values of model-specific registers by number, as they are saved. */
export type MsrRecord = Readonly<Record<string, bigint>>;

/** Holds the model-specific registers that nothing else holds. */
export class MsrStorage {
  readonly #values = new Map<number, bigint>(POWER_ON);

  /** Values as after power-on. */
  reset(): void {
    for (const [index, value] of POWER_ON) this.#values.set(index, value);
  }

  has(index: number): boolean {
    return this.#values.has(index);
  }

  /** @param index one of those that {@link has} knows */
  get(index: number): bigint {
    const value = this.#values.get(index);
    if (value === undefined) throw new Error(`MSR 0x${index.toString(16)} is not stored`);
    return value;
  }

  set(index: number, value: bigint): void {
    this.#values.set(index, value);
  }

  save(): MsrRecord {
    return Object.fromEntries([...this.#values].map(([index, value]) => [index.toString(16), value]));
  }

  restore(record: MsrRecord): void {
    for (const [index] of POWER_ON) this.#values.set(index, record[index.toString(16)]);
  }
}
