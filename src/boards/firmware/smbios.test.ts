import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSmbios, smbiosEntry } from './smbios.ts';

const UUID = Uint8Array.from({ length: 16 }, (_, at) => at);
const SYSTEM = 1;

/** The bytes of the first structure of a type. */
function structure(all: Uint8Array, type: number): Uint8Array {
  let at = 0;
  while (all[at] !== type) {
    at += all[at + 1];
    while (all[at] !== 0 || all[at + 1] !== 0) at++;
    at += 2;
  }
  return all.subarray(at, at + all[at + 1]);
}

test('the system has its UUID, whose first three fields are little-endian', () => {
  const smbios = buildSmbios({ ramBytes: 64 << 20, cpuCount: 1, uuid: UUID });
  const uuid = structure(smbios, SYSTEM).subarray(8, 24);
  assert.deepEqual([...uuid], [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]);
});

test('the entry point leads to the structures, and its bytes sum to zero', () => {
  const smbios = buildSmbios({ ramBytes: 64 << 20, cpuCount: 1, uuid: UUID });
  const entry = smbiosEntry(smbios, 0xe1000);
  const view = new DataView(entry.buffer, entry.byteOffset);
  assert.deepEqual([view.getUint32(24, true), view.getUint16(22, true)], [0xe1000, smbios.length]);
  for (const part of [entry, entry.subarray(16)]) assert.equal(part.reduce((sum, byte) => sum + byte, 0) & 0xff, 0);
});
