import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hash64 } from '../base/hash64.ts';
import { pcRamRegions, RamMemory } from './guest-memory.ts';
import { hashRam, restoreRam, saveRam } from './ram-state.ts';

const MIB = 1 << 20;

function makeRam(sizeBytes: number): RamMemory {
  const bytes = new Uint8Array(sizeBytes);
  const pageFlags = new Uint8Array(sizeBytes / 4096);
  const host = { bytes, pageFlags, ramOffset: 0 };
  return new RamMemory(host, pcRamRegions(sizeBytes), { codeWrite: () => {}, firstWrite: () => {} });
}

function hashOf(ram: RamMemory): bigint {
  const hash = new Hash64();
  hashRam(ram, hash);
  return hash.value;
}

test('pages that are not zero are saved, and restored memory is equal, whatever it held', () => {
  const ram = makeRam(4 * MIB);
  for (const gpa of [0, 5000, 0x9ffff, 0xc0000, 4 * MIB - 1]) ram.forWrite(gpa, 1)[0] = 1;
  ram.forWrite(MIB, 2 * MIB).fill(7);
  const state = saveRam(ram);
  const saved = state.chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.equal(saved, 2 * MIB + 5 * 4096);
  const other = makeRam(4 * MIB);
  other.forWrite(0x20000, 5).fill(9);
  restoreRam(other, state);
  assert.deepEqual(other.forRead(0, 0xa0000), ram.forRead(0, 0xa0000));
  assert.deepEqual(other.forRead(0xc0000, 4 * MIB - 0xc0000), ram.forRead(0xc0000, 4 * MIB - 0xc0000));
  assert.equal(hashOf(other), hashOf(ram));
});

test('the same bytes in another page have another hash', () => {
  const [one, other] = [makeRam(2 * MIB), makeRam(2 * MIB)];
  one.forWrite(0x1000, 1)[0] = 1;
  other.forWrite(0x2000, 1)[0] = 1;
  assert.notEqual(hashOf(one), hashOf(other));
});

test('memory of another size is refused', () => {
  assert.throws(() => restoreRam(makeRam(4 * MIB), saveRam(makeRam(2 * MIB))), /guest memory/);
});
