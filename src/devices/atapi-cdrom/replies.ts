import { putAtaText } from '../../machine/ata.ts';
import { be16, be32 } from '../../machine/scsi.ts';

/** What replies of the drive depend on. */
export interface DriveFacts {
  /** sectors of the medium; undefined without one, or while the tray is open */
  readonly sectors: number | undefined;
  readonly trayOpen: boolean;
  readonly locked: boolean;
}

/** A command that a reply answers: 12 bytes. */
type Packet = Uint8Array;

export const CD_SECTOR_BYTES = 2048;
export const RAW_SECTOR_BYTES = 2352;

const LEAD_OUT = 0xaa;
const DATA_TRACK = 0x14;
/** More sectors than a CD of 100 minutes has: a DVD. */
const MOST_CD_SECTORS = 100 * 60 * 75;
const LEAD_IN_FRAMES = 150;
const FRAMES_PER_SECOND = 75;
const PROFILE_CD = 0x0008;
const PROFILE_DVD = 0x0010;
const MEDIUM_TYPE = { data: 0x01, none: 0x70, open: 0x71 } as const;
const MODE_PAGE_ALL = 0x3f;

/** Identification of a packet device (ATA/ATAPI-7 volume 1, section 6.18). */
export function identifyPacket(serial: string, transferMode: number): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  const selected = (group: number) => ((transferMode & 0xf8) === group ? 0x100 << (transferMode & 7) : 0);
  const words: [word: number, value: number][] = [
    [0, 0x85c0], // CD-ROM, removable, DRQ at once, packets of 12 bytes
    [49, 0x0b00], // IORDY, LBA, DMA
    [53, 0x0006],
    [63, 0x07 | selected(0x20)],
    [64, 0x0003],
    [65, 120],
    [66, 120],
    [67, 120],
    [68, 120],
    [80, 0x00f0],
    [81, 0x0016],
    [82, 0x0210], // PACKET, DEVICE RESET
    [83, 0x4000],
    [84, 0x4000],
    [85, 0x0210],
    [87, 0x4000],
    [88, 0x3f | selected(0x40)],
    [93, 0x6001],
  ];
  for (const [word, value] of words) view.setUint16(word * 2, value, true);
  putAtaText(bytes, 10, 20, serial);
  putAtaText(bytes, 23, 8, '1.0');
  putAtaText(bytes, 27, 40, 'VITRINE DVD-ROM');
  return bytes;
}

/** INQUIRY (SPC-3 section 6.4): a removable CD/DVD device. */
export function inquiry(): Uint8Array {
  const text = `${'VITRINE'.padEnd(8)}${'DVD-ROM'.padEnd(16)}${'1.0'.padEnd(4)}`;
  return Uint8Array.from([0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0, ...ascii(text)]);
}

/** READ CAPACITY (MMC-5 section 6.24). */
export function capacity(sectors: number): Uint8Array {
  return Uint8Array.from([...be32(sectors - 1), ...be32(CD_SECTOR_BYTES)]);
}

/** READ TOC/PMA/ATIP (MMC-5 section 6.25) of one data track; undefined for a field that it does not know. */
export function toc(packet: Packet, sectors: number): Uint8Array | undefined {
  const msf = (packet[1] & 2) !== 0;
  const format = packet[2] & 0x0f || packet[9] >> 6;
  const address = (lba: number) => (msf ? [0, ...minutes(lba)] : be32(lba));
  if (format === 0) return tracks(packet[6], address, sectors);
  if (format === 1) return withLength([1, 1, 0, DATA_TRACK, 1, 0, ...address(0)]);
  if (format !== 2) return undefined;
  const entry = (point: number, [m, s, f]: readonly number[]) => [1, DATA_TRACK, 0, point, 0, 0, 0, 0, m, s, f];
  const entries = [entry(0xa0, [1, 0, 0]), entry(0xa1, [1, 0, 0]), entry(0xa2, minutes(sectors)), entry(1, minutes(0))];
  return withLength([1, 1, ...entries.flat()]);
}

function tracks(first: number, address: (lba: number) => number[], sectors: number): Uint8Array | undefined {
  if (first > 1 && first !== LEAD_OUT) return undefined;
  const track = first <= 1 ? [0, DATA_TRACK, 1, 0, ...address(0)] : [];
  return withLength([1, 1, ...track, 0, DATA_TRACK, LEAD_OUT, 0, ...address(sectors)]);
}

/** READ SUB-CHANNEL (MMC-3 section 5.28): nothing plays; undefined for another format than the current position. */
export function subChannel(packet: Packet): Uint8Array | undefined {
  const header = [0, 0x15]; // no audio status
  if (!(packet[2] & 0x40)) return Uint8Array.from([...header, 0, 0]);
  if (packet[3] !== 1) return undefined;
  const address = packet[1] & 2 ? [0, ...minutes(0)] : be32(0);
  return Uint8Array.from([...header, 0, 12, 1, DATA_TRACK, 1, 1, ...address, 0, 0, 0, 0]);
}

/** GET CONFIGURATION (MMC-5 section 6.6). */
export function configuration(packet: Packet, { sectors }: DriveFacts): Uint8Array {
  const current = profileOf(sectors);
  const isCurrent = (profile: number) => (profile === current ? 1 : 0);
  const profiles = [PROFILE_DVD, PROFILE_CD].flatMap((profile) => [...be16(profile), isCurrent(profile), 0]);
  const feature = (code: number, flags: number, data: readonly number[]) => ({
    code,
    bytes: [...be16(code), flags, data.length, ...data],
    current: (flags & 1) !== 0,
  });
  const features = [
    feature(0x0000, 0x03, profiles),
    feature(0x0001, 0x0b, [0, 0, 0, 2, 1, 0, 0, 0]), // core: ATAPI
    feature(0x0003, 0x0b, [0x29, 0, 0, 0]), // a tray that can be locked and ejects
    feature(0x0010, current ? 1 : 0, [...be32(CD_SECTOR_BYTES), 0, 0x10, 1, 0]), // random readable
    feature(0x001e, 0x08 | isCurrent(PROFILE_CD), [0, 0, 0, 0]),
    feature(0x001f, 0x08 | isCurrent(PROFILE_DVD), [0, 0, 0, 0]),
    feature(0x0100, 0x03, []),
  ];
  const [wanted, first] = [packet[1] & 3, packet[2] * 0x100 + packet[3]];
  const shown = features.filter(({ code, current: now }) =>
    wanted === 2 ? code === first : code >= first && (wanted === 0 || now),
  );
  const body = [0, 0, ...be16(current), ...shown.flatMap(({ bytes }) => bytes)];
  return Uint8Array.from([...be32(body.length), ...body]);
}

function profileOf(sectors: number | undefined): number {
  if (sectors === undefined) return 0;
  return sectors > MOST_CD_SECTORS ? PROFILE_DVD : PROFILE_CD;
}

/** GET EVENT STATUS NOTIFICATION (MMC-5 section 6.7) of the media class. @param event what happened: MMC-5 table 301 */
export function mediaEvent(packet: Packet, event: number, { sectors, trayOpen }: DriveFacts): Uint8Array {
  const MEDIA_CLASS = 4;
  const supported = 1 << MEDIA_CLASS;
  if (!(packet[4] & supported)) return Uint8Array.from([0, 2, 0x80, supported]);
  const status = (trayOpen ? 1 : 0) | (sectors === undefined ? 0 : 2);
  return Uint8Array.from([0, 4, MEDIA_CLASS, supported, event, status, 0, 0]);
}

/** READ DISC INFORMATION (MMC-5 section 6.21): one complete session with one track. */
export function discInformation(): Uint8Array {
  const bytes = new Uint8Array(34);
  bytes.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20]);
  return bytes;
}

/** MECHANISM STATUS (MMC-5 section 6.12): no changer. */
export function mechanismStatus({ trayOpen }: DriveFacts): Uint8Array {
  return Uint8Array.from([0, trayOpen ? 0x10 : 0, 0, 0, 0, 1, 0, 0]);
}

/** MODE SENSE (SPC-3 section 6.9), with 6 or 10 bytes; undefined for a page that the drive has not. */
export function modeSense(packet: Packet, facts: DriveFacts, long: boolean): Uint8Array | undefined {
  const wanted = packet[2] & 0x3f;
  const pages = modePages(facts).filter(([code]) => wanted === MODE_PAGE_ALL || wanted === code);
  if (pages.length === 0) return undefined;
  const type = facts.trayOpen ? MEDIUM_TYPE.open : facts.sectors === undefined ? MEDIUM_TYPE.none : MEDIUM_TYPE.data;
  const body = pages.flat();
  if (long) return Uint8Array.from([...be16(body.length + 6), type, 0, 0, 0, 0, 0, ...body]);
  return Uint8Array.from([body.length + 3, type, 0, 0, ...body]);
}

/** The pages: read error recovery, CD parameters, audio control, power, capabilities (MMC-3 section 5.23). */
function modePages({ locked }: DriveFacts): number[][] {
  const speed = be16(176 * 24);
  const lock = (locked ? 0x02 : 0) | 0x29; // a tray that locks and ejects
  const capabilities = [0x2a, 18, 0x0b, 0, 0x70, 0, lock, 0, ...speed, 0, 2, 0x02, 0, ...speed, 0, 0, 0, 0];
  return [
    [0x01, 6, 0, 5, 0, 0, 0, 0],
    [0x0d, 6, 0, 0, 0, 60, 0, 75],
    [0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0],
    [0x1a, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    capabilities,
  ];
}

/** A raw sector of mode 1 (ECMA-130 section 14) around its 2048 bytes of data. Its checksums are left zero, as no driver reads them. */
export function rawSector(lba: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(RAW_SECTOR_BYTES);
  bytes.fill(0xff, 1, 11);
  bytes.set([...minutes(lba), 1], 12);
  bytes.set(data, 16);
  return bytes;
}

/** Minutes, seconds and frames of a sector. */
function minutes(lba: number): [m: number, s: number, f: number] {
  const frames = lba + LEAD_IN_FRAMES;
  const seconds = Math.floor(frames / FRAMES_PER_SECOND);
  return [Math.floor(seconds / 60) & 0xff, seconds % 60, frames % FRAMES_PER_SECOND];
}

function withLength(body: readonly number[]): Uint8Array {
  return Uint8Array.from([...be16(body.length), ...body]);
}

function ascii(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}
