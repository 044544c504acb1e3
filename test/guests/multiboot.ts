import { assemble } from '../../src/isa/assemble.ts';

const ORIGIN = 0x100000;
const MAGIC = 0x1badb002;
/** The header holds the addresses to load to: the file needs no ELF structure. */
const FLAG_ADDRESSES = 0x10000;

/**
 * Assembles 32-bit code into a multiboot kernel at 1 MiB. It is entered at its first instruction: flat 32-bit protected
 * mode, paging and interrupts off, no stack.
 */
export function multibootKernel(source: string): Uint8Array {
  const header = [
    MAGIC,
    FLAG_ADDRESSES,
    -(MAGIC + FLAG_ADDRESSES) >>> 0,
    ORIGIN,
    ORIGIN,
    'image_end',
    0,
    'image_start',
  ];
  const { bytes } = assemble(`dd ${header.join(', ')}\nimage_start:\n${source}\nalign 4\nimage_end:\n`, {
    bits: 32,
    origin: ORIGIN,
  });
  return bytes;
}
