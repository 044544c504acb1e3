import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { encryptDes } from './des.ts';
import { vncResponse } from './vnc-auth.ts';

/** Single DES, as three rounds with the same key. */
function reference(key: Uint8Array, block: Uint8Array): Uint8Array {
  const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([key, key, key]), null).setAutoPadding(false);
  return new Uint8Array(Buffer.concat([cipher.update(block), cipher.final()]));
}

test("DES agrees with the host's", () => {
  for (let n = 0; n < 50; n++) {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => Math.imul(n * 16 + i + 1, 0x9e3779b1) >>> 24);
    const [key, block] = [bytes.subarray(0, 8), bytes.subarray(8)];
    assert.deepEqual(encryptDes(key, block), reference(key, block));
  }
});

test('a password is cut to eight characters, filled with zeros, and its bits are mirrored', () => {
  const challenge = Uint8Array.from({ length: 16 }, (_, i) => i);
  const key = Uint8Array.of(0x86, 0x46, 0, 0, 0, 0, 0, 0); // 'a' is 61h, 'b' is 62h
  const expected = [...reference(key, challenge.subarray(0, 8)), ...reference(key, challenge.subarray(8))];
  assert.deepEqual([...vncResponse('ab', challenge)], expected);
  assert.deepEqual(vncResponse('12345678', challenge), vncResponse('123456789', challenge));
});
