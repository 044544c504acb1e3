import { ByteWriter } from '../../src/base/bytes.ts';
import { assemble } from '../../src/isa/assemble.ts';

const BASE = 0x400000;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const ENTRY = BASE + HEADER_BYTES + PROGRAM_HEADER_BYTES;
const TYPE_EXECUTABLE = 2;
const MACHINE_X86_64 = 62;
const SEGMENT_LOAD = 1;
const READ_WRITE_EXECUTE = 7;

/** Assembles 64-bit code into a static Linux program (ELF-64 Object File Format, version 1.5). It begins at its first instruction. */
export function elfProgram(source: string): Uint8Array {
  const { bytes } = assemble(source, { bits: 64, origin: ENTRY });
  const length = BigInt(HEADER_BYTES + PROGRAM_HEADER_BYTES + bytes.length);
  return new ByteWriter()
    .append([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
    .zeros(9)
    .u16(TYPE_EXECUTABLE)
    .u16(MACHINE_X86_64)
    .u32(1)
    .u64(BigInt(ENTRY))
    .u64(BigInt(HEADER_BYTES))
    .u64(0n)
    .u32(0)
    .u16(HEADER_BYTES)
    .u16(PROGRAM_HEADER_BYTES)
    .u16(1)
    .zeros(6)
    .u32(SEGMENT_LOAD)
    .u32(READ_WRITE_EXECUTE)
    .u64(0n)
    .u64(BigInt(BASE))
    .u64(BigInt(BASE))
    .u64(length)
    .u64(length)
    .u64(0x1000n)
    .append(bytes)
    .finish();
}
