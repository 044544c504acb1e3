import type { IrFunction } from '../../ir/nodes.ts';
import { printFunction } from '../../ir/print.ts';
import { disassemble } from '../../isa/disassemble.ts';
import type { Mode } from '../../isa/operands.ts';
import type { CodeByte, Region, RegionBlock } from './region.ts';

/** A region as text for people: its guest code, by guest-physical addresses, and the IR that WebAssembly is emitted from. */
export function describeRegion(region: Region, fn: IrFunction, codeByte: CodeByte): string {
  const { blocks, entries, mode, instructionCount } = region;
  const head = `${fn.name}: ${mode.bits}-bit code, ${blocks.length} blocks, ${instructionCount} instructions`;
  const code = blocks.map((block, place) => {
    const ways = [block.taken, block.next].filter((to) => to >= 0).map((to) => `block ${to}`);
    const leads = ways.length > 0 ? `, leads to ${ways.join(' and ')}` : '';
    const title = `block ${place}${entries.includes(place) ? ' (entry)' : ''}${leads}`;
    return [title, ...describeBlock(block, (at) => disassembled(at, mode, codeByte))].join('\n');
  });
  return `${[head, ...code].join('\n\n')}\n\n${printFunction(fn)}`;
}

/** A line for each instruction of a block. */
function describeBlock({ block, start, instructions }: RegionBlock, describe: (gpa: number) => string): string[] {
  const page = block.start - start;
  return instructions.map((_, n) => `  ${describe(page + (n === 0 ? start : instructions[n - 1].nextOffset))}`);
}

/** Address, bytes and text of the instruction at a guest-physical address. */
function disassembled(at: number, mode: Mode, codeByte: CodeByte): string {
  const { text, length } = disassemble((offset) => codeByte(at + offset), mode, BigInt(at));
  const bytes = Array.from({ length }, (_, i) =>
    codeByte(at + i)
      .toString(16)
      .padStart(2, '0'),
  );
  return `${at.toString(16).padStart(8)}  ${bytes.join(' ').padEnd(30)} ${text}`;
}
