import type { Device } from '../../machine/interfaces.ts';
import { vgaFont } from './fonts/fonts.ts';

/** What the initialiser reaches the adapter through: buses, or something that stands for them. */
export interface VgaAccess {
  readonly ports: Pick<Device, 'read' | 'write'>;
  readonly memory: Pick<Device, 'read' | 'write'>;
}

/** Registers of BIOS mode 3, 80×25 characters of 9×16 dots (IBM VGA, "BIOS modes"). */
const MODE_3 = {
  misc: 0x67,
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [
    ...[0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00],
    ...[0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff],
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
  attribute: [
    ...[0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f],
    ...[0x0c, 0x00, 0x0f, 0x08, 0x00],
  ],
} as const;

const PORT = {
  attribute: 0x3c0,
  misc: 0x3c2,
  sequencer: 0x3c4,
  dacMask: 0x3c6,
  dacWrite: 0x3c8,
  dacData: 0x3c9,
  graphics: 0x3ce,
  crtc: 0x3d4,
  status1: 0x3da,
} as const;

const VGA_WINDOW = 0xa0000;
const TEXT = 0xb8000;
const TEXT_BYTES = 0x8000;
const TWO_BLANK_CELLS = 0x07200720;
const FONT_HEIGHT = 16;
const FONT_PITCH = 32;
const CHARACTERS = 256;
const EGA_COLORS = 64;
const PALETTE_SHOWN = 0x20;
const VERTICAL_RETRACE_END = 0x11;
/** Sequencer and graphics registers that make plane 2 plain memory at A0000h, and those that end it. */
const FONT_ACCESS = [
  [PORT.sequencer, 0x02, 0x04],
  [PORT.sequencer, 0x04, 0x06],
  [PORT.graphics, 0x05, 0x00],
  [PORT.graphics, 0x06, 0x04],
] as const;

/** Sets a VGA that has been reset to BIOS mode 3: colours, font, and a blank screen with the cursor at its top. */
export function setTextMode(vga: VgaAccess): void {
  const out = (port: number, value: number) => vga.ports.write(port, 1, value);
  const set = (port: number, index: number, value: number) => {
    out(port, index);
    out(port + 1, value);
  };
  out(PORT.misc, MODE_3.misc);
  const setAll = (port: number, values: readonly number[]) => {
    for (const [index, value] of values.entries()) set(port, index, value);
  };
  setAll(PORT.sequencer, MODE_3.sequencer);
  set(PORT.crtc, VERTICAL_RETRACE_END, 0); // lifts the write protection
  setAll(PORT.crtc, MODE_3.crtc);
  setAll(PORT.graphics, MODE_3.graphics);
  vga.ports.read(PORT.status1, 1);
  MODE_3.attribute.forEach((value, index) => {
    out(PORT.attribute, index);
    out(PORT.attribute, value);
  });
  setColors(out);
  for (const [port, index, value] of FONT_ACCESS) set(port, index, value);
  writeFont(vga.memory);
  for (const [port, index] of FONT_ACCESS) {
    const values: readonly number[] = port === PORT.sequencer ? MODE_3.sequencer : MODE_3.graphics;
    set(port, index, values[index]);
  }
  for (let at = 0; at < TEXT_BYTES; at += 4) vga.memory.write(TEXT + at, 4, TWO_BLANK_CELLS);
  out(PORT.attribute, PALETTE_SHOWN);
}

/** The 64 colours of an EGA: two bits a component, 2/3 of the intensity from bits 0 to 2, 1/3 from bits 3 to 5. */
function setColors(out: (port: number, value: number) => void): void {
  out(PORT.dacMask, 0xff);
  out(PORT.dacWrite, 0);
  for (let color = 0; color < EGA_COLORS; color++) {
    for (const bit of [2, 1, 0]) out(PORT.dacData, ((color >> bit) & 1) * 42 + ((color >> (bit + 3)) & 1) * 21);
  }
}

function writeFont(memory: VgaAccess['memory']): void {
  const { buffer, byteOffset } = vgaFont(FONT_HEIGHT);
  const font = new DataView(buffer, byteOffset);
  for (let code = 0; code < CHARACTERS; code++) {
    for (let row = 0; row < FONT_HEIGHT; row += 4) {
      memory.write(VGA_WINDOW + code * FONT_PITCH + row, 4, font.getUint32(code * FONT_HEIGHT + row, true));
    }
  }
}
