import { BigEndianFields } from '../big-endian.ts';
import { type ImageFile, ImageInvalid, type SnapshotFacts } from '../interfaces.ts';
import type { Qcow2Header } from './header.ts';

const FIXED_BYTES = 40;
const MAX_EXTRA_BYTES = 1024;
const MAX_L1_BYTES = 32 << 20;

/** A point in time kept inside the image: a copy of the L1 table. */
export interface Snapshot extends SnapshotFacts {
  readonly l1Offset: number;
  readonly l1Entries: number;
  /** Fields after those that are known. */
  readonly extra: Uint8Array;
}

/** Where the table of snapshots ends, and what is in it. */
export interface SnapshotTable {
  readonly snapshots: readonly Snapshot[];
  readonly sizeBytes: number;
}

/** Reads the table of snapshots. @throws {ImageInvalid} */
export async function readSnapshots(file: ImageFile, header: Qcow2Header): Promise<SnapshotTable> {
  const snapshots: Snapshot[] = [];
  let at = header.snapshotsOffset;
  for (let i = 0; i < header.snapshotCount; i++) {
    const fixed = new Uint8Array(FIXED_BYTES);
    await file.read(at, fixed);
    const fields = new BigEndianFields(file.name, fixed);
    const [idBytes, nameBytes, extraBytes] = [fields.u16(12), fields.u16(14), fields.u32(36)];
    const length = FIXED_BYTES + extraBytes + idBytes + nameBytes;
    if (extraBytes > MAX_EXTRA_BYTES || at + length > file.sizeBytes) {
      throw new ImageInvalid(file.name, `snapshot ${i} lies outside the file`);
    }
    const all = new Uint8Array(length);
    await file.read(at, all);
    snapshots.push(decode(new BigEndianFields(file.name, all), header));
    checkL1(file, header, snapshots[i]);
    at += Math.ceil(length / 8) * 8;
  }
  return { snapshots, sizeBytes: at - header.snapshotsOffset };
}

function decode(fields: BigEndianFields, header: Qcow2Header): Snapshot {
  const [idBytes, nameBytes, extraBytes] = [fields.u16(12), fields.u16(14), fields.u32(36)];
  const text = FIXED_BYTES + extraBytes;
  const extra = (offset: number, otherwise: number) =>
    extraBytes >= offset + 8 ? fields.u64(FIXED_BYTES + offset) : otherwise;
  const counted = extraBytes >= 24 && fields.view.getBigUint64(FIXED_BYTES + 16) !== 2n ** 64n - 1n;
  return {
    l1Offset: fields.u64(0),
    l1Entries: fields.u32(8),
    dateSeconds: fields.u32(16),
    dateNanos: fields.u32(20),
    vmClockNanos: fields.view.getBigUint64(24),
    vmStateBytes: extra(0, fields.u32(32)),
    diskBytes: extra(8, header.sizeBytes),
    icount: counted ? fields.view.getBigUint64(FIXED_BYTES + 16) : undefined,
    extra: fields.bytes(FIXED_BYTES, extraBytes),
    id: fields.text(text, idBytes),
    name: fields.text(text + idBytes, nameBytes),
  };
}

function checkL1(file: ImageFile, header: Qcow2Header, snapshot: Snapshot | undefined): void {
  const { l1Offset, l1Entries, id, diskBytes } = snapshot as Snapshot;
  const covers = 2 ** header.clusterBits * (2 ** header.clusterBits / 8);
  const wrong =
    l1Entries * 8 > MAX_L1_BYTES ||
    l1Offset % 2 ** header.clusterBits !== 0 ||
    l1Offset + l1Entries * 8 > file.sizeBytes ||
    l1Entries < Math.ceil(diskBytes / covers);
  if (wrong) throw new ImageInvalid(file.name, `the L1 table of snapshot ${id} lies outside the file`);
}
