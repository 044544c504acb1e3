import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, test } from 'node:test';
import type { HostStream, StreamListener } from '../../net/interfaces.ts';
import { NO_VSOCK_SOCKETS, VsockSockets } from './vsock-sockets.ts';

const folder = mkdtempSync(join(tmpdir(), 'vitrine-vsock-sockets-'));
const path = join(folder, 'v.sock');
const opened: VsockSockets[] = [];

afterEach(() => {
  for (const sockets of opened.splice(0)) sockets.close();
});
after(() => rmSync(folder, { recursive: true }));

async function listen(): Promise<VsockSockets> {
  const sockets = await VsockSockets.listen(path);
  opened.push(sockets);
  return sockets;
}

/** Notes what a stream says. */
class Ear implements StreamListener {
  heard = '';
  #change = Promise.withResolvers<void>();

  opened = () => this.#note('(opened)');
  data = (bytes: Uint8Array) => this.#note(new TextDecoder().decode(bytes));
  ended = () => this.#note('(ended)');
  drained = () => {};
  failed = (why: string) => this.#note(`(${why})`);

  /** Waits until it has heard something. */
  async hears(expected: string): Promise<void> {
    while (this.heard.length < expected.length) await this.#change.promise;
    assert.equal(this.heard, expected);
  }

  #note(what: string): void {
    this.heard += what;
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** A guest that accepts on port 52, refuses on 53, and has no driver for any other. */
function guestOf(sockets: VsockSockets) {
  const ears: Ear[] = [];
  const streams: HostStream[] = [];
  sockets.onConnection((port, open, accepted) => {
    if (port !== 52 && port !== 53) return false;
    ears.push(new Ear());
    const stream = open(ears[ears.length - 1]);
    streams.push(stream);
    queueMicrotask(() => (port === 52 ? accepted(1024) : stream.reset()));
    return true;
  });
  return { ears, streams };
}

function client(said: string): Socket {
  const socket = createConnection({ path, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.write(said);
  return socket;
}

test('a program of the host names a port, is answered, and has a stream with two directions', async () => {
  const { ears, streams } = guestOf(await listen());
  const socket = client('CONNECT 52\nfirst');
  const [answer] = await once(socket, 'data');
  assert.equal(`${answer}`, 'OK 1024\n');
  await ears[0].hears('first');
  socket.end('last');
  await ears[0].hears('firstlast(ended)');
  streams[0].write(new TextEncoder().encode('answer'));
  streams[0].end();
  assert.equal(await text(socket), 'answer');
});

test('what a program says in pieces is put together, and goes on when the guest has room', async () => {
  const { ears, streams } = guestOf(await listen());
  const socket = client('CONN');
  await new Promise((resolve) => setImmediate(resolve));
  socket.write('ECT 52\n');
  await once(socket, 'data');
  streams[0].setFlowing(false);
  socket.write('later');
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ears[0].heard, '');
  streams[0].setFlowing(true);
  await ears[0].hears('later');
});

test('who says something else, asks for what cannot be or is refused is hung up on', async () => {
  const sockets = await listen();
  const early = client('CONNECT 52\n');
  assert.equal(await text(early), '', 'before the guest is there');
  guestOf(sockets);
  const wrong = ['GET / HTTP/1.1\n', 'CONNECT\n', 'CONNECT -1\n', 'CONNECT 4294967296\n', 'CONNECT 52 53\n', '\n'];
  for (const said of [...wrong, 'x'.repeat(100), 'CONNECT 53\n', 'CONNECT 54\n']) {
    assert.equal(await text(client(said)), '', said);
  }
  const short = client('CONNECT');
  short.end();
  assert.equal(await text(short), '');
});

test("a program of the guest gets to the port's socket", async () => {
  const sockets = await listen();
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
  server.listen(`${path}_80`);
  await once(server, 'listening');
  const ear = new Ear();
  const stream = sockets.connect(80, ear);
  await ear.hears('(opened)');
  stream.write(new TextEncoder().encode('echo'));
  stream.end();
  await ear.hears('(opened)echo(ended)');
  server.close();
});

test('a program of the guest is refused where nobody listens', async () => {
  const sockets = await listen();
  const [nobody, none] = [new Ear(), new Ear()];
  sockets.connect(81, nobody);
  NO_VSOCK_SOCKETS.connect(81, none);
  await nobody.hears('(refused)');
  await none.hears('(refused)');
});

test('more programs of the guest than the queue of a socket has room for wait for it', async () => {
  const sockets = await listen();
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
  server.listen({ path: `${path}_83`, backlog: 2 });
  await once(server, 'listening');
  const ears = Array.from({ length: 30 }, () => new Ear());
  const streams = ears.map((ear) => sockets.connect(83, ear));
  for (const ear of ears) await ear.hears('(opened)');
  for (const stream of streams) stream.end();
  for (const ear of ears) await ear.hears('(opened)(ended)');
  server.close();
});

test('a stream that is reset while it is opened is heard of no more', async () => {
  const sockets = await listen();
  const server = createServer((socket) => socket.resume());
  server.listen(`${path}_82`);
  await once(server, 'listening');
  const ear = new Ear();
  sockets.connect(82, ear).reset();
  NO_VSOCK_SOCKETS.connect(82, ear).reset();
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ear.heard, '');
  server.close();
});

test('the socket is for its owner alone, is not taken from another machine, and is gone afterwards', async () => {
  const sockets = await listen();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(VsockSockets.listen(path), /EADDRINUSE/);
  const { ears } = guestOf(sockets);
  const socket = client('CONNECT 52\n');
  await once(socket, 'data');
  sockets.close();
  assert.equal(await text(socket), '');
  assert.deepEqual([existsSync(path), ears.length], [false, 1]);
});

test('a socket that a killed machine has left is replaced, any other file is not', async () => {
  const listenAndDie =
    'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
  spawnSync(process.execPath, ['-e', listenAndDie, path]);
  assert.ok(existsSync(path));
  (await listen()).close();
  writeFileSync(path, 'precious');
  await assert.rejects(VsockSockets.listen(path), /EADDRINUSE/);
  assert.equal(readFileSync(path, 'utf8'), 'precious');
  rmSync(path);
});
