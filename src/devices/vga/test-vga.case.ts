import { ManualClock } from '../../machine/manual-clock.ts';
import { PlainVideoMemory } from '../../machine/video-memory.ts';
import { makeEdid } from './edid.ts';
import { StdVga } from './std-vga.ts';

const MEBIBYTE = 2 ** 20;

/** Registers of mode 13h, 320×200 with 256 colours (IBM VGA, "BIOS modes"). */
const MODE_13 = {
  misc: 0x63,
  sequencer: [0x03, 0x01, 0x0f, 0x00, 0x0e],
  crtc: [
    ...[0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    ...[0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff],
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff],
  attribute: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0x00, 0x0f, 0x00, 0x00],
};
/** Mode 12h, 640×480 with 16 colours. */
const MODE_12 = {
  misc: 0xe3,
  sequencer: [0x03, 0x01, 0x0f, 0x00, 0x06],
  crtc: [
    ...[0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    ...[0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff],
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff],
  attribute: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x01, 0x00, 0x0f, 0x00, 0x00],
};

/** Modes that tests set, and what BIOSes put into the registers for them. */
export const TEST_MODES = { 18: MODE_12, 19: MODE_13 } as const;

/** A standard VGA on a bench: ports by their numbers, memory by its addresses. */
export class VgaBench {
  readonly clock = new ManualClock();
  readonly memory = new PlainVideoMemory(16 * MEBIBYTE);
  /** Where the windows of base address registers are, by their names. */
  readonly places: Record<string, number | undefined> = {};
  readonly devices: Record<
    string,
    { read(offset: number, size: number): number; write(o: number, s: number, v: number): void }
  > = {};
  readonly vga = new StdVga({
    clock: this.clock,
    memory: this.memory,
    edid: makeEdid(),
    window: (_kind, _length, device, name) => {
      this.devices[name] = device;
      return { place: (base) => (this.places[name] = base) };
    },
  });
  /** What an initialiser takes. */
  readonly access = {
    ports: {
      read: (port: number, size: number) => this.vga.ports.read(port - 0x3b0, size),
      write: (port: number, size: number, value: number) => this.vga.ports.write(port - 0x3b0, size, value),
    },
    memory: {
      read: (address: number, size: number) => this.vga.window.read(address - 0xa0000, size),
      write: (address: number, size: number, value: number) => this.vga.window.write(address - 0xa0000, size, value),
    },
  };

  out(port: number, value: number): void {
    this.access.ports.write(port, 1, value);
  }

  in(port: number): number {
    return this.access.ports.read(port, 1);
  }

  /** Writes an indexed register. */
  set(port: number, index: number, value: number): void {
    this.out(port, index);
    this.out(port + 1, value);
  }

  get(port: number, index: number): number {
    this.out(port, index);
    return this.in(port + 1);
  }

  poke(address: number, value: number, size = 1): void {
    this.access.memory.write(address, size, value);
  }

  peek(address: number, size = 1): number {
    return this.access.memory.read(address, size);
  }

  dispi(index: number, value?: number): number {
    this.vga.dispiIndex.write(0, 2, index);
    if (value !== undefined) this.vga.dispiData.write(0, 2, value);
    return this.vga.dispiData.read(0, 2);
  }

  /** Sets a Bochs mode and shows it. */
  bochsMode(width: number, height: number, bits: number, flags = 0x41): void {
    this.dispi(4, 0);
    this.dispi(1, width);
    this.dispi(2, height);
    this.dispi(3, bits);
    this.dispi(4, flags);
    this.in(0x3da);
    this.out(0x3c0, 0x20);
  }

  mode(number: keyof typeof TEST_MODES): void {
    const { misc, sequencer, crtc, graphics, attribute } = TEST_MODES[number];
    this.out(0x3c2, misc);
    for (const [index, value] of sequencer.entries()) this.set(0x3c4, index, value);
    this.set(0x3d4, 0x11, 0);
    for (const [index, value] of crtc.entries()) this.set(0x3d4, index, value);
    for (const [index, value] of graphics.entries()) this.set(0x3ce, index, value);
    this.in(0x3da);
    for (const [index, value] of attribute.entries()) {
      this.out(0x3c0, index);
      this.out(0x3c0, value);
    }
    this.out(0x3c0, 0x20);
  }

  color(index: number, red: number, green: number, blue: number): void {
    this.out(0x3c8, index);
    for (const level of [red, green, blue]) this.out(0x3c9, level);
  }
}
