import type { IrFunction } from '../../ir/nodes.ts';
import { printFunction } from '../../ir/print.ts';
import { printInstruction } from '../../isa/print.ts';
import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import type { CodeByte, Region, RegionBlock } from './region.ts';

/** A region as text for people: its guest code, by guest-physical addresses, and the IR that WebAssembly is emitted from. */
export function describeRegion(region: Region, fn: IrFunction, codeByte: CodeByte): string {
  const { blocks, entries, mode, instructionCount } = region;
  const head = `${fn.name}: ${mode.bits}-bit code, ${blocks.length} blocks, ${instructionCount} instructions`;
  const code = blocks.map((block, place) => describeBlock(block, place, entries.includes(place), codeByte));
  return `${[head, ...code].join('\n\n')}\n\n${printFunction(fn)}`;
}

function describeBlock(block: RegionBlock, place: number, isEntry: boolean, codeByte: CodeByte): string {
  const ways = [block.taken, block.next].filter((to) => to >= 0).map((to) => `block ${to}`);
  const lines = [
    `block ${place}${isEntry ? ' (entry)' : ''}${ways.length > 0 ? `, leads to ${ways.join(' and ')}` : ''}`,
  ];
  const page = block.block.start - block.start;
  let at = block.start;
  for (const { decoded, nextOffset } of block.instructions) {
    const bytes = Array.from({ length: nextOffset - at }, (_, i) => codeByte(page + at + i));
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = decoded === undefined ? '(not translated)' : printInstruction(decoded, BigInt(page + nextOffset));
    lines.push(`  ${(page + (at % PAGE_BYTES)).toString(16).padStart(8)}  ${hex.padEnd(30)} ${text}`);
    at = nextOffset;
  }
  return lines.join('\n');
}
