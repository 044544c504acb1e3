import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DebugPort } from './debug-port.ts';
import { PostPort } from './post-port.ts';

test('the debug port passes bytes on and says it is there', () => {
  const sent: number[] = [];
  const port = new DebugPort((byte) => sent.push(byte));
  port.write(0, 1, 0x41);
  assert.deepEqual(sent, [0x41]);
  assert.equal(port.read(), 0xe9);
  port.restore(port.save());
});

test('the POST port remembers the last code', () => {
  const [a, b] = [new PostPort(), new PostPort()];
  a.write(0, 1, 0x55);
  b.restore(a.save());
  assert.equal(b.read(), 0x55);
});
