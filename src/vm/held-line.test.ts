import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldLine } from './held-line.ts';

test('a held line is listened to when it is released, and sends at once', () => {
  const sent: number[] = [];
  const listeners: ((byte: number) => boolean)[] = [];
  const line = new HeldLine({
    send: (byte) => void sent.push(byte),
    onByte: (receive) => void listeners.push(receive),
  });
  const heard: number[] = [];
  line.onByte((byte) => heard.push(byte) > 0);
  line.send(1);
  assert.deepEqual([sent, listeners.length], [[1], 0]);
  line.release();
  listeners[0]?.(2);
  assert.deepEqual(heard, [2]);
});
