import { ByteWriter } from '../../base/bytes.ts';

const QUERY_OFFSET = 0x10;
const INTEL_EXTENDED = 0x0001;
const PRIMARY_TABLE = 0x31;
/** Bytes of the write buffer, as a power of two. */
const BUFFER_POWER = 8;

/** What the chip says of itself in query mode (JEDEC JESD68.01, Common Flash Interface). @param length its size in bytes */
export function queryTable(length: number, blockBytes: number): Uint8Array {
  const writer = new ByteWriter().zeros(QUERY_OFFSET).text('QRY').u16(INTEL_EXTENDED).u16(PRIMARY_TABLE).u16(0).u16(0);
  writer.append([0x45, 0x55, 0, 0]); // volts
  writer.append([7, 7, 10, 0, 4, 4, 4, 0]); // typical and longest times, as powers of two
  writer
    .u8(Math.ceil(Math.log2(length)))
    .u16(0)
    .u16(BUFFER_POWER)
    .u8(1);
  writer.u16(length / blockBytes - 1).u16(blockBytes / 256);
  return writer.text('PRI').text('10').finish();
}
