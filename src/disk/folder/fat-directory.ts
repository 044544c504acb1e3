import { ByteWriter } from '../../base/bytes.ts';
import type { FatName } from './fat-names.ts';

const ATTRIBUTE = { readOnly: 1, volume: 8, folder: 0x10, archive: 0x20, longName: 0x0f } as const;
const CHARACTERS_PER_ENTRY = 13;
const LAST_ENTRY = 0x40;
const EARLIEST_YEAR = 1980;
const LATEST_YEAR = 2107;

/** What a directory entry says. */
export interface FatEntry {
  readonly name: FatName;
  readonly isFolder: boolean;
  readonly isReadOnly: boolean;
  readonly modifiedMillis: number;
  readonly firstCluster: number;
  readonly sizeBytes: number;
}

/** The entries of a file or folder: its long name, backwards, and the short one. */
export function encodeEntry(entry: FatEntry): Uint8Array {
  const writer = new ByteWriter();
  const { short, long } = entry.name;
  if (long !== undefined) for (const part of longNameEntries(short, long)) writer.append(part);
  const attributes =
    (entry.isFolder ? ATTRIBUTE.folder : ATTRIBUTE.archive) | (entry.isReadOnly ? ATTRIBUTE.readOnly : 0);
  return writer.append(shortEntry(entry, attributes)).finish();
}

/** The entry of the root folder that has the volume's label. */
export function encodeLabel(label: string, modifiedMillis: number): Uint8Array {
  const short = label.toUpperCase().slice(0, 11).padEnd(11);
  const name = { short, long: undefined };
  const none = { isFolder: false, isReadOnly: false, firstCluster: 0, sizeBytes: 0 };
  return shortEntry({ name, modifiedMillis, ...none }, ATTRIBUTE.volume);
}

function shortEntry(entry: FatEntry, attributes: number): Uint8Array {
  const { date, time } = dosTime(entry.modifiedMillis);
  return new ByteWriter()
    .text(entry.name.short, 11)
    .u8(attributes)
    .u16(0)
    .u16(time)
    .u16(date)
    .u16(date)
    .u16(entry.firstCluster >>> 16)
    .u16(time)
    .u16(date)
    .u16(entry.firstCluster)
    .u32(entry.sizeBytes)
    .finish();
}

function longNameEntries(short: string, long: string): Uint8Array[] {
  const checksum = [...short].reduce((sum, one) => (((sum & 1) << 7) + (sum >> 1) + one.charCodeAt(0)) & 0xff, 0);
  const count = Math.ceil(long.length / CHARACTERS_PER_ENTRY);
  const unitAt = (i: number) => (i < long.length ? long.charCodeAt(i) : i === long.length ? 0 : 0xffff);
  return Array.from({ length: count }, (_, i) => {
    const number = count - i;
    const units = Array.from({ length: CHARACTERS_PER_ENTRY }, (_unused, j) =>
      unitAt((number - 1) * CHARACTERS_PER_ENTRY + j),
    );
    const writer = new ByteWriter().u8(number | (i === 0 ? LAST_ENTRY : 0));
    for (const unit of units.slice(0, 5)) writer.u16(unit);
    writer.u8(ATTRIBUTE.longName).u8(0).u8(checksum);
    for (const unit of units.slice(5, 11)) writer.u16(unit);
    writer.u16(0);
    for (const unit of units.slice(11)) writer.u16(unit);
    return writer.finish();
  });
}

/** In UTC, within the years that FAT knows. */
function dosTime(millis: number): { date: number; time: number } {
  const given = new Date(millis);
  const year = Math.min(Math.max(given.getUTCFullYear(), EARLIEST_YEAR), LATEST_YEAR);
  const date = ((year - EARLIEST_YEAR) << 9) | ((given.getUTCMonth() + 1) << 5) | given.getUTCDate();
  return { date, time: (given.getUTCHours() << 11) | (given.getUTCMinutes() << 5) | (given.getUTCSeconds() >> 1) };
}
