// Hyper-V's format: Microsoft, "[MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format".

export const MEBIBYTE = 1 << 20;
export const SECTOR_BYTES = 4096;

/** Where things lie that have a fixed place (section 2.2). */
export const PLACE = { identifier: 0, headers: [0x10000, 0x20000], regions: [0x30000, 0x40000] } as const;
export const FILE_SIGNATURE = 'vhdxfile';
export const HEADER_BYTES = 4096;
export const REGION_TABLE_BYTES = 0x10000;
export const METADATA_TABLE_BYTES = 0x10000;
/** Offset of the checksum in headers, region tables and log entries. */
export const CHECKSUM = 4;

/** Fields of a header (section 2.2.2). */
export const HEADER = {
  sequence: 8,
  fileWrite: 16,
  dataWrite: 32,
  log: 48,
  logVersion: 64,
  version: 66,
  logLength: 68,
  logOffset: 72,
} as const;

/** Regions (section 2.2.3.2). */
export const REGION = {
  bat: '2dc27766-f623-4200-9d64-115e9bfd4a08',
  metadata: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
} as const;

/** Items of metadata (section 2.6.2). */
export const ITEM = {
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  diskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  identifier: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSector: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSector: 'cda348c7-445d-4471-9cc9-e9885251c556',
} as const;
export const METADATA_SIGNATURE = 'metadata';
export const ITEM_FLAGS = { virtualDisk: 2, required: 4 } as const;
/** Flags of the file parameters. */
export const PARAMETERS = { leaveBlocksAllocated: 1, hasParent: 2 } as const;

/** States of a payload block (section 2.5.1.1). */
export const BLOCK = { notPresent: 0, undefined: 1, zero: 2, unmapped: 3, present: 6, partlyPresent: 7 } as const;
export const BLOCK_STATE_MASK = 7n;

/** The largest disk, and the sizes of blocks. */
export const MOST_DISK_BYTES = 2 ** 46;
export const BLOCK_LIMITS = { least: MEBIBYTE, most: 256 * MEBIBYTE } as const;

/** Payload blocks whose sectors one block of bitmaps covers (section 2.5): its entry follows theirs in the table. */
export function chunkRatio(logicalSectorBytes: number, blockBytes: number): number {
  return (2 ** 23 * logicalSectorBytes) / blockBytes;
}

/** Reads a GUID as it is written: the first three parts little-endian. */
export function readGuid(bytes: Uint8Array, offset: number): string {
  const hex = (order: readonly number[]) => order.map((i) => bytes[offset + i].toString(16).padStart(2, '0')).join('');
  return [
    [3, 2, 1, 0],
    [5, 4],
    [7, 6],
    [8, 9],
    [10, 11, 12, 13, 14, 15],
  ]
    .map(hex)
    .join('-');
}

/** The bytes of a GUID. */
export function guidBytes(guid: string): Uint8Array {
  const bytes = Uint8Array.from(guid.replaceAll('-', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return Uint8Array.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15], (i) => bytes[i]);
}
