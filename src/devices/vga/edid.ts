import { ByteWriter } from '../../base/bytes.ts';

/** Detailed timing of the preferred mode, 1024×768 at 60 Hz (VESA DMT): pixel clock in 10 kHz, then pixels and lines. */
const PREFERRED = {
  clock: 6500,
  width: 1024,
  hBlank: 320,
  hFront: 24,
  hSync: 136,
  height: 768,
  vBlank: 38,
  vFront: 3,
  vSync: 6,
} as const;
const WIDTH_MM = 260;
const HEIGHT_MM = 195;
/** Established timings: 640×480, 800×600 and 1024×768 at 60 Hz. */
const ESTABLISHED = [0x21, 0x08, 0x00] as const;
/** Standard timings, 60 Hz: (width / 8 - 31) and aspect ratio (0 is 16:10, 0x40 is 4:3, 0x80 is 5:4, 0xC0 is 16:9). */
const STANDARD = [
  [1920, 0x00],
  [1920, 0xc0],
  [1680, 0x00],
  [1600, 0x40],
  [1440, 0x00],
  [1280, 0x80],
  [1280, 0x00],
  [1024, 0x40],
] as const;
const DESCRIPTOR_BYTES = 18;
const NAME = 'Vitrine\n';

/** What the monitor behind the adapter tells of itself (VESA E-EDID 1.4): 128 bytes. */
export function makeEdid(): Uint8Array {
  const edid = new ByteWriter();
  edid.append([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]);
  edid.append(manufacturer('VTR')).u16(1).u32(1).u8(1).u8(36); // product, serial number, week, years since 1990
  edid
    .append([1, 4])
    .u8(0xa5)
    .u8(WIDTH_MM / 10)
    .u8(Math.round(HEIGHT_MM / 10))
    .u8(120)
    .u8(0x06); // digital, gamma 2.2, sRGB
  edid.append([0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]); // the primaries of sRGB
  edid.append(ESTABLISHED);
  for (const [width, aspect] of STANDARD) edid.u8(width / 8 - 31).u8(aspect);
  edid.append(detailedTiming());
  edid.append([0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 30, 0, 0x0a]).text('', 6, 0x20); // ranges: 50-125 Hz, 30-160 kHz, 300 MHz
  edid.append([0, 0, 0, 0xfc, 0]).text(NAME, DESCRIPTOR_BYTES - 5, 0x20);
  edid.append([0, 0, 0, 0x10, 0]).zeros(DESCRIPTOR_BYTES - 5);
  edid.u8(0);
  const bytes = edid.finish();
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  return Uint8Array.from([...bytes, -sum & 0xff]);
}

/** Three letters of five bits each, big-endian. */
function manufacturer(letters: string): number[] {
  const bits = [...letters].reduce((value, letter) => (value << 5) | (letter.charCodeAt(0) - 0x40), 0);
  return [bits >> 8, bits & 0xff];
}

function detailedTiming(): Uint8Array {
  const { clock, width, hBlank, hFront, hSync, height, vBlank, vFront, vSync } = PREFERRED;
  const high = (a: number, b: number) => ((a >> 8) << 4) | (b >> 8);
  return new ByteWriter()
    .u16(clock)
    .append([width & 0xff, hBlank & 0xff, high(width, hBlank)])
    .append([height & 0xff, vBlank & 0xff, high(height, vBlank)])
    .append([hFront, hSync, (vFront << 4) | vSync, 0])
    .append([WIDTH_MM & 0xff, HEIGHT_MM & 0xff, high(WIDTH_MM, HEIGHT_MM)])
    .append([0, 0, 0x18])
    .finish();
}
