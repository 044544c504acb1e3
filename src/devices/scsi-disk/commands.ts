import type { ScsiExtent } from '../../machine/scsi.ts';

/** Bytes of a logical block. */
export const BLOCK_BYTES = 512;

/** Operation codes (SPC-4 annex E, SBC-3 table 10). */
export const OP = {
  testUnitReady: 0x00,
  requestSense: 0x03,
  read6: 0x08,
  write6: 0x0a,
  inquiry: 0x12,
  modeSense6: 0x1a,
  startStop: 0x1b,
  preventRemoval: 0x1e,
  readCapacity10: 0x25,
  read10: 0x28,
  write10: 0x2a,
  verify10: 0x2f,
  synchronizeCache10: 0x35,
  writeSame10: 0x41,
  unmap: 0x42,
  modeSense10: 0x5a,
  read16: 0x88,
  write16: 0x8a,
  verify16: 0x8f,
  synchronizeCache16: 0x91,
  writeSame16: 0x93,
  serviceActionIn16: 0x9e,
  reportLuns: 0xa0,
  read12: 0xa8,
  write12: 0xaa,
} as const;

/** The service action of SERVICE ACTION IN (16) that tells the capacity. */
export const READ_CAPACITY_16 = 0x10;

/** Commands that name a range of blocks, and how: where the block's address and the count are. */
const READS: readonly number[] = [OP.read6, OP.read10, OP.read12, OP.read16];
const WRITES: readonly number[] = [OP.write6, OP.write10, OP.write12, OP.write16];

/** Whether a command reads or writes blocks. */
export function transferOf(op: number): 'read' | 'write' | undefined {
  if (READS.includes(op)) return 'read';
  return WRITES.includes(op) ? 'write' : undefined;
}

/** The blocks that a command names, in bytes: their place depends on the command's length (SPC-4 section 4.2.5). */
export function rangeOf(cdb: Uint8Array): ScsiExtent {
  const view = new DataView(cdb.buffer, cdb.byteOffset, cdb.byteLength);
  const [lba, blocks] = RANGES[cdb[0] >> 5]?.(view) ?? [0, 0];
  return { offset: lba * BLOCK_BYTES, length: blocks * BLOCK_BYTES };
}

type Range = (view: DataView) => [lba: number, blocks: number];

/** By the operation code's group: 6, 10, 10, none, 16 and 12 bytes. */
const RANGES: readonly (Range | undefined)[] = [
  (view) => [view.getUint32(0) & 0x1fffff, view.getUint8(4) || 256],
  (view) => [view.getUint32(2), view.getUint16(7)],
  (view) => [view.getUint32(2), view.getUint16(7)],
  undefined,
  (view) => [Number(view.getBigUint64(2)), view.getUint32(10)],
  (view) => [view.getUint32(2), view.getUint32(6)],
];

/** Whether a write is to be durable when it ends: FUA, which the shortest command has not. */
export function forcesUnitAccess(cdb: Uint8Array): boolean {
  return cdb[0] !== OP.write6 && (cdb[1] & 0x08) !== 0;
}
