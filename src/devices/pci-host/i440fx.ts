import type { DeviceState } from '../../machine/interfaces.ts';
import { PciConfigSpace, type PciFunction } from '../../machine/pci.ts';
import type { ShadowRam } from './shadow-ram.ts';

/** Registers of the 82441FX that are kept for firmware to read back: offset, size, value after reset, writable bits. */
const REGISTERS = [
  [0x50, 2, 0x0000, 0x33ff], // PMCCFG
  [0x57, 1, 0x00, 0xff], // DRAMC
  [0x58, 1, 0x00, 0xff], // DRAMT
  [0x59, 1, 0x00, 0x30], // PAM0
  [0x5a, 4, 0x00, 0x33333333], // PAM1 to PAM4
  [0x5e, 2, 0x00, 0x3333], // PAM5, PAM6
  [0x60, 4, 0x00, 0xffffffff], // DRB0 to DRB3
  [0x64, 4, 0x00, 0xffffffff], // DRB4 to DRB7
  [0x72, 1, 0x02, 0x78], // SMRAM
] as const;

/** Programmable attribute maps: PAM0 has the BIOS segment in its high half, each of the others two areas of 16 KiB. */
const PAM0 = 0x59;
const PAM_COUNT = 7;
const BIOS_SEGMENT = 0xf0000;
const BIOS_SEGMENT_BYTES = 0x10000;
const FIRST_AREA = 0xc0000;
const AREA_BYTES = 0x4000;
const ATTRIBUTES = 3;

/** The PCI side of the i440FX (Intel 82441FX data sheet, section 3.2). Of its memory control there is the shadow RAM. */
export class I440fx implements PciFunction {
  readonly #config = new PciConfigSpace({
    vendor: 0x8086,
    device: 0x1237,
    revision: 2,
    classCode: 0x060000,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
  });
  readonly #shadow: Pick<ShadowRam, 'setAttributes'>;

  constructor(shadow: Pick<ShadowRam, 'setAttributes'>) {
    this.#shadow = shadow;
    for (const [offset, size, value, writable] of REGISTERS) this.#config.define(offset, size, value, writable);
    this.#applyAttributes();
  }

  readConfig(offset: number, size: number): number {
    return this.#config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#config.writeConfig(offset, size, value);
    if (offset + size > PAM0 && offset < PAM0 + PAM_COUNT) this.#applyAttributes();
  }

  save(): DeviceState {
    return this.#config.save();
  }

  restore(state: DeviceState): void {
    this.#config.restore(state);
    this.#applyAttributes();
  }

  #applyAttributes(): void {
    const half = (pam: number, shift: number) => (this.#config.readConfig(PAM0 + pam, 1) >> shift) & ATTRIBUTES;
    this.#shadow.setAttributes(BIOS_SEGMENT, BIOS_SEGMENT_BYTES, half(0, 4));
    for (let area = 0; area < (PAM_COUNT - 1) * 2; area++) {
      const pam = 1 + (area >> 1);
      this.#shadow.setAttributes(FIRST_AREA + area * AREA_BYTES, AREA_BYTES, half(pam, (area & 1) * 4));
    }
  }
}
