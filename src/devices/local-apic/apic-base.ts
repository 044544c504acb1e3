const BASE_BOOTSTRAP = 0x100;
const BASE_X2APIC = 0x400;
const BASE_ENABLE = 0x800;
const BASE_MODE = BASE_X2APIC | BASE_ENABLE;
const BASE_DEFAULT_GPA = 0xfee0_0000;
/** As CPUID leaf 80000008H tells it. */
const PHYSICAL_BITS = 40n;
const BASE_RESERVED = ~(((1n << PHYSICAL_BITS) - 1n) & ~0x2ffn);

/** IA32_APIC_BASE (Intel SDM 3A 11.4.4 and 11.12.1). */
export class ApicBase {
  #flags: number;
  #gpa = BASE_DEFAULT_GPA;

  constructor(bootstrap: boolean) {
    this.#flags = BASE_ENABLE | (bootstrap ? BASE_BOOTSTRAP : 0);
  }

  get gpa(): number {
    return this.#gpa;
  }

  get enabled(): boolean {
    return (this.#flags & BASE_ENABLE) !== 0;
  }

  get x2apic(): boolean {
    return (this.#flags & BASE_X2APIC) !== 0;
  }

  read(): bigint {
    return BigInt(this.#gpa) | BigInt(this.#flags);
  }

  /** @returns false, changing nothing, for a reserved bit or a change of mode that figure 11-27 of the manual lacks */
  write(value: bigint): boolean {
    if (value & BASE_RESERVED) return false;
    const bits = Number(value & 0xfffn);
    const next = bits & BASE_MODE;
    const now = this.#flags & BASE_MODE;
    if (next === BASE_X2APIC) return false;
    if (now === 0 && next & BASE_X2APIC) return false;
    if (now & BASE_X2APIC && next === BASE_ENABLE) return false;
    this.#flags = bits;
    this.#gpa = Number(value & ~0xfffn);
    return true;
  }

  save(): bigint {
    return this.read();
  }

  restore(value: bigint): void {
    this.#flags = Number(value & 0xfffn);
    this.#gpa = Number(value & ~0xfffn);
  }
}
