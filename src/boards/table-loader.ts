import { ByteWriter, withChecksum } from '../base/bytes.ts';

/** A blob of tables before it has an address. */
export interface TableFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** a power of two */
  readonly alignment: number;
  /** whether it must lie in the BIOS segment, where systems look for it */
  readonly inBiosSegment: boolean;
}

/** What must be done to tables once the address of each file is known. */
export type LoaderCommand =
  /** Adds the address of `target` to the little-endian field of `size` bytes at `offset` of `file`. */
  | {
      readonly kind: 'pointer';
      readonly file: string;
      readonly offset: number;
      readonly size: number;
      readonly target: string;
    }
  /** Sets the byte at `offset` of `file` so that the bytes from `start` on sum to zero. */
  | {
      readonly kind: 'checksum';
      readonly file: string;
      readonly offset: number;
      readonly start: number;
      readonly length: number;
    };

/** Tables with the commands that link them. */
export interface TableSet {
  readonly files: readonly TableFile[];
  readonly commands: readonly LoaderCommand[];
}

/** Bytes at a guest-physical address. */
export interface MemoryWrite {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

const COMMAND = { allocate: 1, pointer: 2, checksum: 3 } as const;
const ZONE_HIGH = 1;
const ZONE_BIOS_SEGMENT = 2;
const NAME_BYTES = 56;
const ENTRY_BYTES = 128;

/** The fw_cfg file `etc/table-loader`, for firmware that places the tables itself (QEMU hw/acpi/bios-linker-loader). */
export function encodeLoader({ files, commands }: TableSet): Uint8Array {
  const writer = new ByteWriter();
  for (const file of files) {
    const zone = file.inBiosSegment ? ZONE_BIOS_SEGMENT : ZONE_HIGH;
    writer.u32(COMMAND.allocate).text(file.name, NAME_BYTES).u32(file.alignment).u8(zone).align(ENTRY_BYTES);
  }
  for (const command of commands) {
    const { file, offset } = command;
    if (command.kind === 'pointer') {
      writer.u32(COMMAND.pointer).text(file, NAME_BYTES).text(command.target, NAME_BYTES);
      writer.u32(offset).u8(command.size);
    } else {
      writer.u32(COMMAND.checksum).text(file, NAME_BYTES);
      writer.u32(offset).u32(command.start).u32(command.length);
    }
    writer.align(ENTRY_BYTES);
  }
  return writer.finish();
}

/** Places the tables as firmware would. @param place gives a file its address */
export function applyLoader(tables: TableSet, place: (file: TableFile) => number): Map<string, MemoryWrite> {
  const placed = new Map<string, MemoryWrite>();
  for (const file of tables.files) placed.set(file.name, { gpa: place(file), bytes: file.bytes.slice() });
  const find = (name: string): MemoryWrite => {
    const file = placed.get(name);
    if (!file) throw new Error(`there is no table file ${name}`);
    return file;
  };
  for (const command of tables.commands) {
    const { bytes } = find(command.file);
    const { offset } = command;
    if (command.kind === 'pointer') addPointer(bytes, offset, command.size, find(command.target).gpa);
    else withChecksum(bytes.subarray(command.start, command.start + command.length), offset - command.start);
  }
  return placed;
}

function addPointer(bytes: Uint8Array, offset: number, size: number, address: number): void {
  let carry = address;
  for (let i = offset; i < offset + size; i++) {
    carry += bytes[i];
    bytes[i] = carry % 0x100;
    carry = Math.floor(carry / 0x100);
  }
}
