/** A floppy format. All have sectors of 512 bytes. */
export interface FloppyFormat {
  readonly sectors: number;
  readonly heads: 1 | 2;
  readonly cylinders: number;
  /** rates at which drives read it, as the data rate register has them */
  readonly rates: readonly number[];
  /** diameter in inches */
  readonly inches: 5.25 | 3.5;
}

/** Data rates as CCR and DSR select them (82078 data sheet, section 3.1.6), in kbit/s. */
const RATE = { k500: 0, k300: 1, k250: 2, k1000: 3 } as const;
const DOUBLE_DENSITY = [RATE.k250, RATE.k300];
const HIGH_DENSITY = [RATE.k500];
const EXTRA_DENSITY = [RATE.k1000];
const SECTOR_BYTES = 512;

/** Formats, the usual of a size first. */
const FORMATS: readonly FloppyFormat[] = [
  { sectors: 18, heads: 2, cylinders: 80, rates: HIGH_DENSITY, inches: 3.5 },
  { sectors: 36, heads: 2, cylinders: 80, rates: EXTRA_DENSITY, inches: 3.5 },
  { sectors: 15, heads: 2, cylinders: 80, rates: HIGH_DENSITY, inches: 5.25 },
  { sectors: 9, heads: 2, cylinders: 80, rates: DOUBLE_DENSITY, inches: 3.5 },
  { sectors: 9, heads: 2, cylinders: 40, rates: DOUBLE_DENSITY, inches: 5.25 },
  { sectors: 8, heads: 2, cylinders: 40, rates: DOUBLE_DENSITY, inches: 5.25 },
  { sectors: 9, heads: 1, cylinders: 40, rates: DOUBLE_DENSITY, inches: 5.25 },
  { sectors: 8, heads: 1, cylinders: 40, rates: DOUBLE_DENSITY, inches: 5.25 },
  { sectors: 10, heads: 2, cylinders: 80, rates: DOUBLE_DENSITY, inches: 3.5 },
  { sectors: 20, heads: 2, cylinders: 80, rates: HIGH_DENSITY, inches: 3.5 },
  { sectors: 21, heads: 2, cylinders: 80, rates: HIGH_DENSITY, inches: 3.5 },
  { sectors: 21, heads: 2, cylinders: 82, rates: HIGH_DENSITY, inches: 3.5 },
];

/** The format of an image of a size. An odd size has the smallest format of 3.5 inches that holds it, or else the largest. */
export function formatOf(sizeBytes: number): FloppyFormat {
  const room = ({ sectors, heads, cylinders }: FloppyFormat) => sectors * heads * cylinders * SECTOR_BYTES;
  const exact = FORMATS.find((format) => room(format) === sizeBytes);
  if (exact) return exact;
  const larger = FORMATS.filter((format) => format.inches === 3.5 && room(format) > sizeBytes);
  const [smallest = FORMATS[1]] = larger.sort((a, b) => room(a) - room(b));
  return smallest;
}
