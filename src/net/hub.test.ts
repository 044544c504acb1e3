import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub } from './hub.ts';
import { nullPort } from './null-port.ts';

test('a frame arrives at every port but its own', () => {
  const hub = new Hub();
  const seen: string[] = [];
  const ports = ['a', 'b', 'c'].map((name) => {
    const port = hub.connect();
    port.onFrame((frame) => seen.push(`${name}:${frame.join()}`));
    return port;
  });
  assert.equal(ports[1].send(Uint8Array.of(1, 2)), true);
  assert.deepEqual(seen, ['a:1,2', 'c:1,2']);
});

test('a link to nobody takes every frame', () => {
  const port = nullPort();
  port.onFrame(() => assert.fail('a frame from nowhere'));
  assert.equal(port.send(Uint8Array.of(1)), true);
});
