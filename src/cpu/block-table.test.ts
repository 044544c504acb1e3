import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SplitMix64 } from '../base/random.ts';
import { BlockTable } from './block-table.ts';
import { blockTableSlot } from './dispatch.ts';
import { BLOCK_TABLE } from './records.ts';

const MODE = 3;
const PLACE = 4096;

/** Addresses that are first looked for in a few slots side by side, the table's last one among them. */
function crowd(count: number): number[] {
  const addresses: number[] = [];
  for (let gpa = 0x1000; addresses.length < count; gpa += 5) {
    const slot = (blockTableSlot(gpa) + 4) & (BLOCK_TABLE.entries - 1);
    if (slot < 8) addresses.push(gpa);
  }
  return addresses;
}

it('finds all blocks that it holds, and no others, whichever leave', () => {
  const view = new DataView(new ArrayBuffer(PLACE + BLOCK_TABLE.entries * BLOCK_TABLE.bytes));
  const slots = new Map<number, number>();
  const table = new BlockTable(view, PLACE, (block, slot) => slots.set(block, slot));
  const addresses = crowd(24);
  const random = new SplitMix64(1n);
  for (let step = 0; step < 2000; step++) {
    const block = 1 + Number(random.next() % BigInt(addresses.length));
    const slot = slots.get(block);
    if (slot === undefined) {
      const entered = table.enter(addresses[block - 1], MODE, block);
      assert.ok(entered !== 0 || slots.size >= BLOCK_TABLE.probes);
      if (entered !== 0) slots.set(block, entered);
    } else {
      table.leave(slot);
      slots.delete(block);
    }
    for (const [index, gpa] of addresses.entries()) {
      assert.equal(table.find(gpa, MODE), slots.has(index + 1) ? index + 1 : 0, `step ${step}`);
      assert.equal(table.find(gpa, MODE + 1), 0);
    }
    for (const [held, at] of slots) assert.equal(view.getUint32(at + BLOCK_TABLE.block, true), held);
  }
});
