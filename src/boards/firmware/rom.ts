import { assemble } from '../../isa/assemble.ts';
import { vgaFont } from './fonts/fonts.ts';
import { ROM_LAYOUT } from './rom-layout.ts';
import { FIXED_SOURCE } from './source/fixed.ts';
import { INTERRUPT_SOURCE } from './source/interrupts.ts';
import { RESET_SOURCE } from './source/reset.ts';
import { SYSTEM_CONFIGURATION } from './system.ts';
import { trapSource } from './trap.ts';

/** Bytes of the BIOS, which is one segment. */
export const ROM_BYTES = 0x10000;

/** Modes, scan lines of text, character blocks and functions of the video BIOS (VGA, INT 10h, AH = 1Bh). */
const VIDEO_STATIC = [0xff, 0xe0, 0x0f, 0, 0, 0, 0, 0x07, 0x02, 0x08, 0xff, 0x0e, 0, 0, 0, 0];

/** The BIOS as it lies in ROM. */
export interface BiosRom {
  readonly bytes: Uint8Array;
  /** Offset of a label of the source. @throws {Error} there is none */
  label(name: string): number;
}

/** Assembles the BIOS. @param services names of the services that its traps call; their order gives their numbers */
export function assembleBios(services: readonly string[]): BiosRom {
  const number = new Map(services.map((name, i) => [name, i]));
  const source = [RESET_SOURCE, INTERRUPT_SOURCE, FIXED_SOURCE].join('\n').replace(/TRAP_(\w+)/g, (_, name) => {
    const service = number.get(name);
    if (service === undefined) throw new Error(`the BIOS calls ${name}, which is no service`);
    return trapSource(service);
  });
  const { bytes: code, symbols } = assemble(source, { bits: 16, origin: ROM_LAYOUT.code });
  const bytes = new Uint8Array(ROM_BYTES);
  bytes.set(code, ROM_LAYOUT.code);
  const font8 = vgaFont(8);
  bytes.set(vgaFont(16), ROM_LAYOUT.font16);
  bytes.set(vgaFont(14), ROM_LAYOUT.font14);
  bytes.set(font8, ROM_LAYOUT.font8);
  bytes.set(font8.subarray(0, font8.length / 2), ROM_LAYOUT.font8Low);
  bytes.set(VIDEO_STATIC, ROM_LAYOUT.videoStatic);
  bytes.set(SYSTEM_CONFIGURATION, ROM_LAYOUT.systemConfiguration);
  return {
    bytes,
    label(name) {
      const offset = symbols.get(name);
      if (offset === undefined) throw new Error(`the BIOS has no ${name}`);
      return Number(offset);
    },
  };
}
