import { putAtaText } from '../../machine/ata.ts';

/** What the disk says of itself. */
export interface Identity {
  readonly sectors: number;
  /** at most 20 ASCII characters */
  readonly serial: string;
  /** whether it is on a serial cable and can queue commands */
  readonly sata: boolean;
}

/** Settings that the identification shows. */
export interface Settings {
  readonly multiple: number;
  readonly writeCache: boolean;
  readonly smart: boolean;
  /** selected transfer mode as SET FEATURES gave it */
  readonly transferMode: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

export const HEADS = 16;
export const SECTORS_PER_TRACK = 63;
/** The most sectors of one block of READ and WRITE MULTIPLE. */
export const MOST_MULTIPLE = 16;
/** The most blocks of ranges that one DATA SET MANAGEMENT takes. */
export const MOST_TRIM_BLOCKS = 8;
export const QUEUE_DEPTH = 32;

const MOST_CYLINDERS = 16383;
const MOST_LBA28 = 0x0fffffff;
const MODEL = 'VITRINE HARDDISK';
const FIRMWARE = '1.0';

const SUPPORT_SMART = 0x0001;
const SUPPORT_POWER = 0x0008;
const SUPPORT_WRITE_CACHE = 0x0020;
const SUPPORT_LOOK_AHEAD = 0x0040;
const SUPPORT_LBA48_FLUSH = 0x7400;
const SUPPORT_FUA = 0x4040;

/** Groups of transfer modes: upper bits of the mode number, word, modes offered (ATA-7 table 27, words 63 and 88). */
const DMA_WORDS = [
  [0x20, 63, 0x07],
  [0x40, 88, 0x3f],
] as const;

/** Cylinders that a disk pretends to have with a number of heads and sectors. */
export function cylindersOf(sectors: number, heads: number, sectorsPerTrack: number): number {
  return Math.min(MOST_CYLINDERS, Math.floor(sectors / (heads * sectorsPerTrack)));
}

/** The 256 words of IDENTIFY DEVICE (ATA/ATAPI-7 volume 1, section 6.17; ACS-2 for words 69 and up). */
export function identify(identity: Identity, settings: Settings): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  const set = (word: number, value: number) => view.setUint16(word * 2, value, true);
  for (const [word, value] of fixedWords(identity, settings)) set(word, value);
  for (const [group, word, modes] of DMA_WORDS) set(word, modes | selectedMode(settings.transferMode, group));
  putAtaText(bytes, 10, 20, identity.serial);
  putAtaText(bytes, 23, 8, FIRMWARE);
  putAtaText(bytes, 27, 40, MODEL);
  view.setBigUint64(100 * 2, BigInt(identity.sectors), true);
  return bytes;
}

function fixedWords({ sectors, sata }: Identity, settings: Settings): [word: number, value: number][] {
  const { heads, sectorsPerTrack, multiple } = settings;
  const cylinders = cylindersOf(sectors, heads, sectorsPerTrack);
  const chs = cylinders * heads * sectorsPerTrack;
  const lba28 = Math.min(sectors, MOST_LBA28);
  const supported = SUPPORT_SMART | SUPPORT_POWER | SUPPORT_WRITE_CACHE | SUPPORT_LOOK_AHEAD;
  const off = (settings.smart ? 0 : SUPPORT_SMART) | (settings.writeCache ? 0 : SUPPORT_WRITE_CACHE);
  return [
    [0, 0x0040], // a fixed drive
    [1, cylindersOf(sectors, HEADS, SECTORS_PER_TRACK)],
    [3, HEADS],
    [6, SECTORS_PER_TRACK],
    [47, 0x8000 | MOST_MULTIPLE],
    [48, 1], // 32-bit PIO works
    [49, 0x0f00], // IORDY, LBA, DMA
    [50, 0x4000],
    [51, 0x0200], // PIO mode 2
    [53, 0x0007], // words 54 to 58, 64 to 70 and 88 are valid
    [54, cylinders],
    [55, heads],
    [56, sectorsPerTrack],
    [57, chs & 0xffff],
    [58, chs >>> 16],
    [59, multiple === 0 ? 0 : 0x0100 | multiple],
    [60, lba28 & 0xffff],
    [61, lba28 >>> 16],
    [64, 0x0003], // PIO modes 3 and 4
    [65, 120],
    [66, 120],
    [67, 120],
    [68, 120],
    [75, sata ? QUEUE_DEPTH - 1 : 0],
    [76, sata ? 0x0106 : 0], // NCQ, 1.5 and 3 Gb/s
    [80, 0x00f0], // ATA-4 to ATA-7
    [81, 0x0016],
    [82, supported],
    [83, SUPPORT_LBA48_FLUSH],
    [84, SUPPORT_FUA],
    [85, supported & ~off],
    [86, SUPPORT_LBA48_FLUSH & 0x3fff],
    [87, SUPPORT_FUA],
    [93, sata ? 0 : 0x6001],
    [105, MOST_TRIM_BLOCKS],
    [106, 0x4000],
    [169, 0x0001], // TRIM
    [217, 0x0001], // not rotating
  ];
}

/** The bit that says which of a group's modes is in use. */
function selectedMode(mode: number, group: number): number {
  return (mode & 0xf8) === group ? 0x100 << (mode & 7) : 0;
}
