import { PciConfigSpace } from '../../machine/pci.ts';

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

/** The PCI side of the i440FX (Intel 82441FX data sheet, section 3.2). Shadow RAM is always on: its registers only remember. */
export function makeI440fx(): PciConfigSpace {
  const config = new PciConfigSpace({
    vendor: 0x8086,
    device: 0x1237,
    revision: 2,
    classCode: 0x060000,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
  });
  for (const [offset, size, value, writable] of REGISTERS) config.define(offset, size, value, writable);
  return config;
}
