import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E820_RAM, memoryMap } from './memory-map.ts';

const MIB = 0x100000;

function ramBytes(bytes: number): number {
  return memoryMap(bytes).reduce((sum, { length, type }) => sum + (type === E820_RAM ? length : 0), 0);
}

test('the memory map gives all RAM but what the EBDA, the VGA window and the BIOS take', () => {
  for (const size of [2 * MIB, 512 * MIB, 3072 * MIB, 6144 * MIB]) assert.equal(ramBytes(size), size - (MIB - 0x9fc00));
  assert.equal(ramBytes(MIB), 0x9fc00);
});

test('ranges are in order and do not overlap', () => {
  for (const size of [MIB, 64 * MIB, 6144 * MIB]) {
    let end = 0;
    for (const { base, length } of memoryMap(size)) {
      assert.ok(base >= end && length > 0);
      end = base + length;
    }
  }
});

test('what the PCI hole displaces continues at 4 GiB', () => {
  assert.deepEqual(memoryMap(3073 * MIB).at(-1), { base: 2 ** 32, length: MIB, type: E820_RAM });
  assert.equal(memoryMap(3072 * MIB).at(-1)?.base, MIB);
});
