import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { makeAgentGuest, VitrineProgram } from './guests/agent-guest.ts';
import { ECHO_LOOP } from './guests/echo-loop.ts';

const MIB = 1 << 20;
/** Connections that are open at the same time, and what each sends and gets back. */
const CONNECTIONS = Number(process.env.VITRINE_CONNECTIONS ?? 100);
const SENT_BYTES = 20_000;
/** The file that the guest fetches, and what it fetches and sends on a bad cable. */
const FILE_BYTES = Number(process.env.VITRINE_FETCH_MIB ?? 32) * MIB;
const LOSSY_BYTES = MIB / 2;
const ECHO_PORT = 7;
/** The guest's card, and the drivers for all that there are. */
const CARD = process.env.VITRINE_CARD ?? 'virtio';
const DRIVERS = ['virtio_net', 'e1000', '8139too', 'ne2k_pci'];

/** Sends back what it gets. */
const ECHO_SERVER = `use strict;
use Socket;
socket my $listener, PF_INET, SOCK_STREAM, 0 or die $!;
bind $listener, sockaddr_in(${ECHO_PORT}, INADDR_ANY) or die $!;
listen $listener, 4096 or die $!;
${ECHO_LOOP}`;
const NETWORK = `
ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
echo 4096 > /proc/sys/net/core/somaxconn
ulimit -n 8192; perl /echo &
`;

/** The same bytes of a file every time, a MiB after the other, and their hash. */
function* fileOf(sizeBytes: number, hash: Hash): Generator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += MIB) {
    const piece = Buffer.alloc(Math.min(MIB, sizeBytes - at), `${at} bytes are behind, and many more to come. `);
    hash.update(piece);
    yield piece;
  }
}

/** @returns the port it listens on */
async function listenLocally(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Calls back with the SHA-256 of what it gets. */
function digest(socket: Socket, seen: (hash: string) => void): void {
  const hash = createHash('sha256');
  socket.on('data', (chunk) => hash.update(chunk));
  socket.on('end', () => seen(hash.digest('hex')));
}

/** A connection to the echo server, by the forwarded port. */
class EchoClient {
  readonly #socket: Socket;
  readonly #bytes: Buffer;
  readonly #received: Buffer[] = [];
  #count = 0;

  constructor(port: number, index: number) {
    this.#bytes = Buffer.alloc(SENT_BYTES, `connection ${index} says what no other says. `);
    this.#socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#count += chunk.length;
    });
  }

  /** Sends the bytes from `start` to `end` and waits for them. */
  async exchange(start: number, end: number): Promise<void> {
    this.#socket.write(this.#bytes.subarray(start, end));
    while (this.#count < end) await once(this.#socket, 'data');
  }

  /** @returns whether the bytes came back, and nothing else */
  async finish(): Promise<boolean> {
    this.#socket.end();
    await once(this.#socket, 'close');
    return Buffer.concat(this.#received).equals(this.#bytes);
  }
}

describe(`the user-mode network under load, ${CARD}`, { timeout: 7_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-load-'));
  const vitrine = new VitrineProgram(folder);
  const machines: ChildProcess[] = [];
  const servers: Server[] = [];
  let boot: string[] | undefined;
  let reason = '';

  /** Starts a guest that has its network. @param words of its `--net` */
  async function start(name: string, words: string): Promise<void> {
    const net = `user,model=${CARD}${words}`;
    machines.push(await vitrine.startNamed(name, [...(boot ?? []), '--memory', '512M', '--net', net]));
    await vitrine.guestSays(name, 'true');
  }

  async function serve(server: Server): Promise<number> {
    servers.push(server);
    return listenLocally(server);
  }

  /** Has a guest fetch a file of the host. @returns the hashes of what was sent and what came */
  async function fetchFile(name: string, sizeBytes: number): Promise<[sent: string, came: string]> {
    const hash = createHash('sha256');
    const send = (_request: unknown, response: ServerResponse) => Readable.from(fileOf(sizeBytes, hash)).pipe(response);
    const port = await serve(createHttpServer(send));
    const said = await vitrine.guestSays(name, `wget -q -O - http://10.0.2.2:${port}/ | sha256sum`);
    return [hash.digest('hex'), said.split(' ')[0]];
  }

  before(async () => {
    boot = await makeAgentGuest(folder, {
      modules: DRIVERS,
      programs: { '/echo': ECHO_SERVER },
      script: NETWORK,
    }).catch((error: Error) => {
      reason = error.message;
      return undefined;
    });
  });
  after(() => {
    for (const machine of machines) machine.kill();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true });
  });

  it(`carries ${CONNECTIONS} forwarded connections at the same time, and a large file`, async (t) => {
    if (!boot) return t.skip(reason);
    const free = createServer();
    const port = await listenLocally(free);
    free.close();
    await start('busy', `,hostfwd=tcp:127.0.0.1:${port}-:${ECHO_PORT}`);
    const begun = performance.now();
    const clients = Array.from({ length: CONNECTIONS }, (_, index) => new EchoClient(port, index));
    await Promise.all(clients.map((client) => client.exchange(0, 100)));
    t.diagnostic(`all are open after ${Math.round(performance.now() - begun)} ms`);
    await Promise.all(clients.map((client) => client.exchange(100, SENT_BYTES)));
    const whole = await Promise.all(clients.map((client) => client.finish()));
    t.diagnostic(`all are closed after ${Math.round(performance.now() - begun)} ms`);
    assert.deepEqual(
      whole.flatMap((isWhole, index) => (isWhole ? [] : [index])),
      [],
    );
    const [sent, came] = await fetchFile('busy', FILE_BYTES);
    assert.equal(came, sent);
    t.diagnostic(`the file is there after ${Math.round(performance.now() - begun)} ms`);
    machines.at(-1)?.kill();
  });

  it('completes on a cable that loses 1 % of the frames and delays all by 50 ms', async (t) => {
    if (!boot) return t.skip(reason);
    await start('lossy', ',loss=1%,delay=50');
    const [sent, came] = await fetchFile('lossy', LOSSY_BYTES);
    assert.equal(came, sent);
    const arrived = Promise.withResolvers<string>();
    const port = await serve(createServer((socket) => digest(socket, arrived.resolve)));
    const file = `head -c ${LOSSY_BYTES} /dev/urandom > /tmp/file; nc 10.0.2.2 ${port} < /tmp/file`;
    const said = await vitrine.guestSays('lossy', `${file}; sha256sum < /tmp/file`);
    assert.equal(await arrived.promise, said.split(' ')[0]);
  });
});
