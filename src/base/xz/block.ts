import { ByteReader } from '../bytes.ts';
import { checkBytes } from './check.ts';
import { aligned, checkCrc, type XzBlock } from './container.ts';
import { type Lzma2Data, measureLzma2 } from './lzma2.ts';
import { VliReader } from './vli.ts';
import { XzInvalid } from './xz-invalid.ts';

// The .xz file format 1.2.1, sections 3 (Block) and 5 (Filter chains).

/** Filter IDs (section 5.3). */
const FILTER = { x86: 0x04, lzma2: 0x21 } as const;
/** The first byte of a block where the index begins. */
const INDEX_INDICATOR = 0;
const CRC_BYTES = 4;
/** Block flags (section 3.1.2). */
const FLAGS = { filters: 0x03, reserved: 0x3c, packedBytes: 0x40, plainBytes: 0x80 } as const;
const LARGEST_DICTIONARY = 40;

/** How a block is decompressed. */
export interface BlockPlan {
  readonly data: Lzma2Data;
  /** How far back matches may reach. */
  readonly dictionaryBytes: number;
  /** What addresses count from, for each x86 filter to undo, in this order. */
  readonly x86Offsets: readonly number[];
  /** The ID of its check, and the check. */
  readonly check: number;
  readonly storedCheck: Uint8Array;
}

interface Filters {
  readonly dictionaryBytes: number;
  readonly x86Offsets: readonly number[];
}

/** Reads the header of a block and those of its chunks, and decompresses nothing.
 * @throws {XzInvalid} it is damaged, another size than the index says, or needs what is not supported */
export function planBlock(file: Uint8Array, block: XzBlock): BlockPlan {
  const reader = new ByteReader(file.subarray(block.at, block.at + aligned(block.unpaddedBytes)));
  const headerBytes = (reader.u8(0) + 1) * 4;
  const storedBytes = checkBytes(block.check);
  const packedBytes = block.unpaddedBytes - headerBytes - storedBytes;
  if (reader.u8(0) === INDEX_INDICATOR || packedBytes <= 0)
    throw new XzInvalid(`a header of ${headerBytes} bytes does not fit its block of ${block.unpaddedBytes}`);
  checkCrc(reader, 0, headerBytes - CRC_BYTES, headerBytes - CRC_BYTES, 'a block header');
  const fields = new VliReader(reader.slice(1, headerBytes - CRC_BYTES - 1), 'a block header');
  const filters = readFields(fields, packedBytes, block.plainBytes);
  const data = { bytes: reader.bytes, from: headerBytes, end: headerBytes + packedBytes };
  const measured = measureLzma2(data);
  if (measured.next !== data.end || measured.plainBytes !== block.plainBytes)
    throw new XzInvalid('the chunks of a block have another size than the index says');
  const storedCheck = reader.slice(reader.length - storedBytes, storedBytes);
  const padding = reader.slice(data.end, reader.length - storedBytes - data.end);
  if (padding.some((byte) => byte !== 0)) throw new XzInvalid('the padding of a block is not zero');
  return { ...filters, data, check: block.check, storedCheck };
}

/** What stands in the header behind its size (sections 3.1.2 to 3.1.6). */
function readFields(fields: VliReader, packedBytes: number, plainBytes: number): Filters {
  const flags = fields.byte();
  if (flags & FLAGS.reserved) throw new XzInvalid(`block flags ${flags.toString(16)} are reserved ones`);
  const saysPacked = flags & FLAGS.packedBytes ? fields.vli() : packedBytes;
  const saysPlain = flags & FLAGS.plainBytes ? fields.vli() : plainBytes;
  if (saysPacked !== packedBytes || saysPlain !== plainBytes)
    throw new XzInvalid('a block header says another size than the index');
  const x86Offsets: number[] = [];
  for (let left = flags & FLAGS.filters; left > 0; left--) x86Offsets.unshift(readX86(fields));
  const dictionaryBytes = readLzma2(fields);
  fields.zeros();
  return { dictionaryBytes, x86Offsets };
}

function readX86(fields: VliReader): number {
  const id = fields.vli();
  if (id !== FILTER.x86) throw new XzInvalid(`filter 0x${id.toString(16)} is not supported before LZMA2`);
  const propertiesBytes = fields.vli();
  if (propertiesBytes !== 0 && propertiesBytes !== 4)
    throw new XzInvalid(`the x86 filter has properties of ${propertiesBytes} bytes`);
  return propertiesBytes === 0 ? 0 : fields.u32();
}

/** The size of the dictionary has one bit of mantissa (section 5.3.1). It is no size to allocate here. */
function readLzma2(fields: VliReader): number {
  const id = fields.vli();
  if (id !== FILTER.lzma2) throw new XzInvalid(`filter 0x${id.toString(16)} is not supported as the last one`);
  const propertiesBytes = fields.vli();
  if (propertiesBytes !== 1) throw new XzInvalid(`the LZMA2 filter has properties of ${propertiesBytes} bytes`);
  const code = fields.byte();
  if (code > LARGEST_DICTIONARY) throw new XzInvalid(`the dictionary is too large: its size has the code ${code}`);
  return code === LARGEST_DICTIONARY ? 2 ** 32 - 1 : (2 | (code & 1)) * 2 ** ((code >> 1) + 11);
}
