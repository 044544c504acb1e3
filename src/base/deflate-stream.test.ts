import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, inflateSync } from 'node:zlib';
import { DeflateStream } from './deflate-stream.ts';

function inflated(pieces: Uint8Array[]): Buffer {
  return inflateSync(Buffer.concat(pieces), { finishFlush: constants.Z_SYNC_FLUSH });
}

function noise(length: number, values: number): Uint8Array {
  let seed = 1;
  return Uint8Array.from({ length }, () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 16) % values;
  });
}

test('pieces inflate to what was put in, as soon as they are there', () => {
  const stream = new DeflateStream();
  const pieces = [
    new Uint8Array(0),
    noise(10, 256),
    new Uint8Array(100_000).fill(7),
    noise(50_000, 3),
    noise(70_000, 256),
  ];
  const compressed: Uint8Array[] = [];
  pieces.forEach((piece, i) => {
    compressed.push(stream.push(piece));
    assert.deepEqual(inflated(compressed), Buffer.concat(pieces.slice(0, i + 1)));
  });
});

test('every length and many distances of repetitions come back', () => {
  const parts: Uint8Array[] = [];
  for (let length = 3; length < 300; length++)
    parts.push(
      noise(length, 256).map((byte) => byte ^ length),
      noise(length, 256).map((byte) => byte ^ length),
      noise(length * 20, 256),
    );
  const bytes = Buffer.concat(parts);
  assert.deepEqual(inflated([new DeflateStream().push(bytes)]), bytes);
});

test('repetition is compressed', () => {
  assert.ok(new DeflateStream().push(new Uint8Array(100_000)).length < 1000);
});
