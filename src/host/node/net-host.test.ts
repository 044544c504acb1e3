import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { concatenate } from '../../base/bytes.ts';
import { parseAddress } from '../../base/ip-address.ts';
import type { StreamListener } from '../../net/interfaces.ts';
import { nodeNetHost } from './net-host.ts';

const LOOPBACK = parseAddress('127.0.0.1') ?? new Uint8Array(4);

/** Connects to a server of the test's. */
async function connect(serve: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const chunks: Uint8Array[] = [];
  const [opened, ended, failed] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<string>(),
  ];
  const listener: StreamListener = {
    opened: () => opened.resolve(),
    data: (bytes) => chunks.push(bytes),
    ended: () => ended.resolve(),
    drained: () => {},
    failed: (why) => failed.resolve(why),
  };
  const { port } = server.address() as { port: number };
  const stream = nodeNetHost.connect({ address: LOOPBACK, port }, listener);
  stream.setFlowing(false);
  await opened.promise;
  return { stream, chunks, ended: ended.promise, failed: failed.promise, close: () => server.close() };
}

test('a stream hands out what the other side sent when it flows, then its end, and can still be written', async () => {
  const sent = Uint8Array.from({ length: 1_000_000 }, (_, i) => i * 7 + (i >> 8));
  const answer = Promise.withResolvers<string>();
  const { stream, chunks, ended, close } = await connect((socket) => {
    socket.end(sent);
    socket.on('data', (bytes) => answer.resolve(bytes.toString()));
    socket.on('end', () => {});
  });
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(chunks.length, 0, 'nothing comes before it flows');
  stream.setFlowing(true);
  await ended;
  assert.deepEqual(concatenate(chunks), sent);
  stream.write(new TextEncoder().encode('thanks'));
  assert.equal(await answer.promise, 'thanks');
  stream.end();
  close();
});

test('what was handed out does not change when more comes', async () => {
  const { stream, chunks, ended, close } = await connect((socket) => {
    socket.write('first');
    socket.once('data', () => socket.end('second'));
  });
  stream.setFlowing(true);
  while (chunks.length === 0) await new Promise((resolve) => setImmediate(resolve));
  stream.write(Uint8Array.of(1));
  await ended;
  assert.deepEqual(
    chunks.map((bytes) => new TextDecoder().decode(bytes)),
    ['first', 'second'],
  );
  stream.end();
  close();
});

test('a connection that is broken fails as reset', async () => {
  const broken = await connect((socket) => socket.on('data', () => socket.resetAndDestroy()));
  broken.stream.setFlowing(true);
  broken.stream.write(Uint8Array.of(1));
  assert.equal(await broken.failed, 'reset');
  broken.close();
});
