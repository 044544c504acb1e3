import type { PcDrives } from './drives.ts';

/** Bytes of CMOS memory that say which drives there are, where PC firmware looks for them. */
const CMOS = {
  floppies: 0x10,
  disks: 0x12,
  equipment: 0x14,
  extendedTypes: 0x19,
  geometry: 0x1b,
  translation: 0x39,
} as const;

const SECTOR_BYTES = 512;
const HEADS = 16;
const SECTORS_PER_TRACK = 63;
const MOST_CYLINDERS = 16383;
/** A disk with more cylinders needs a translation by LBA in interrupt 13h. */
const MOST_BIOS_CYLINDERS = 1024;
const USER_TYPE = 0x0f;
const USER_EXTENDED_TYPE = 47;
const GEOMETRY_BYTES = 9;
const NO_PRECOMPENSATION = 0xffff;
const CONTROL_MORE_THAN_8_HEADS = 0xc8;
/** A coprocessor and a PS/2 mouse. */
const EQUIPMENT = 0x06;

/** What a PC's set-up program would write: index and value. */
export function driveCmos({ floppies, bays }: PcDrives): [index: number, value: number][] {
  const [first = 0, second = 0] = floppies.map(({ type }) => type);
  const bytes: [number, number][] = [
    [CMOS.floppies, (first << 4) | second],
    [CMOS.equipment, EQUIPMENT | (floppies.length > 0 ? 1 | ((floppies.length - 1) << 6) : 0)],
  ];
  let types = 0;
  let translation = 0;
  for (const place of [0, 1]) {
    const disk = bays.find(({ id }) => id === `ide0-hd${place}`)?.inserted;
    if (!disk) continue;
    const cylinders = Math.floor(disk.medium.sizeBytes / (SECTOR_BYTES * HEADS * SECTORS_PER_TRACK));
    types |= USER_TYPE << (place === 0 ? 4 : 0);
    if (cylinders > MOST_BIOS_CYLINDERS) translation |= 1 << (place * 2);
    bytes.push([CMOS.extendedTypes + place, USER_EXTENDED_TYPE]);
    const geometry = geometryBytes(Math.min(cylinders, MOST_CYLINDERS));
    bytes.push(...geometry.map((value, n): [number, number] => [CMOS.geometry + place * GEOMETRY_BYTES + n, value]));
  }
  return [...bytes, [CMOS.disks, types], [CMOS.translation, translation]];
}

/** Cylinders, heads, where precompensation begins, control byte, landing zone, sectors. */
function geometryBytes(cylinders: number): number[] {
  const word = (value: number) => [value & 0xff, value >> 8];
  const control = CONTROL_MORE_THAN_8_HEADS;
  return [...word(cylinders), HEADS, ...word(NO_PRECOMPENSATION), control, ...word(cylinders), SECTORS_PER_TRACK];
}
