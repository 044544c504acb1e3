import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotInvalid } from './format.ts';
import { deserialize, serialize } from './in-memory.ts';

const STATE = {
  version: 3,
  big: -(2n ** 70n),
  bytes: Uint8Array.from({ length: 5000 }, (_, i) => i),
  nothing: null,
  nested: { list: [1, 'two', true, { bytes: new Uint8Array(0) }], half: 0.5 },
};

test('a state comes back as it was', async () => {
  assert.deepEqual(await deserialize(await serialize(STATE)), STATE);
});

test('a state with a value that cannot be written is refused', async () => {
  for (const value of [Number.NaN, new Map(), () => 0]) {
    await assert.rejects(serialize({ version: 1, value }), TypeError);
  }
});

test('bytes that are no saved machine are refused with the reason', async () => {
  const good = await serialize(STATE);
  const changed = (at: number) => good.map((byte, i) => (i === at ? byte ^ 0x10 : byte));
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /not a saved machine/],
    [new TextEncoder().encode('<html>'), /not a saved machine/],
    [changed(0), /not a saved machine/],
    [good.subarray(0, 12), /cut off/],
    [good.subarray(0, 20), /cut off/],
    [good.subarray(0, good.length - 1), /cut off/],
    [Uint8Array.from([...good, 0]), /follows/],
    [Uint8Array.from([...good, ...good]), /joined/],
    [changed(8), /format 18/],
    [changed(12), /method 17/],
    [changed(20), /damaged/],
    [changed(good.length - 9), /damaged/],
    [changed(good.length - 30), /damaged/],
  ];
  for (const [bytes, reason] of cases) {
    await assert.rejects(
      deserialize(bytes),
      (error: Error) => error instanceof SnapshotInvalid && reason.test(error.message),
    );
  }
});
