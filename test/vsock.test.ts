// Sockets between programs of a Linux guest and of the host: socat and Perl there, Unix sockets here.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { makeAgentGuest, VitrineProgram } from './guests/agent-guest.ts';
import { ECHO_LOOP } from './guests/echo-loop.ts';

const MIB = 1 << 20;
/** What goes each way at once, over one connection. */
const BYTES = Number(process.env.VITRINE_VSOCK_MIB ?? 20) * MIB;
/** Connections that are open at the same time, and what each sends and gets back. */
const CONNECTIONS = 200;
const SENT_BYTES = 20_000;
/** More than all buffers on the way hold together. */
const HELD_BYTES = 4 * MIB;
/** Ports of the guest: what comes is hashed or sent back; or hashed, but not before the file /tmp/go is there. */
const PORT = { digest: 6000, echo: 6001, late: 6002, rude: 6003 } as const;
/** Ports of the host: likewise; one that says nothing, and one that hangs up in the middle, as the guest's last does. */
const HOST_PORT = { digest: 5000, echo: 5001, late: 5002, silent: 5003, rude: 5004 } as const;
const NOBODY = 9;
const PACKAGES = [
  ...['socat', 'libssl3', 'libwrap0', 'libnsl2', 'libtirpc3', 'libgssapi-krb5-2', 'libkrb5-3', 'libk5crypto3'],
  ...['libkrb5support0', 'libcom-err2', 'libkeyutils1'],
];

/** What Perl does not know of AF_VSOCK. */
const PERL_VSOCK = `use strict;
sub vsock { socket my $socket, 40, 1, 0 or die "socket: $!"; return $socket }
sub address { my ($cid, $port) = @_; return pack 'S x2 L L x4', 40, $port, $cid }
`;
/** Sends back what it gets. */
const ECHO_SERVER = `${PERL_VSOCK}
my $listener = vsock();
bind $listener, address(0xffffffff, ${PORT.echo}) or die "bind: $!";
listen $listener, 4096 or die "listen: $!";
${ECHO_LOOP}`;
/** Opens many connections to the host's echo at once, and says how many brought back what they were given. */
const MANY_CLIENTS = String.raw`${PERL_VSOCK}
my @peers = map { my $peer = vsock(); connect $peer, address(2, ${HOST_PORT.echo}) or die "connect: $!"; $peer } 1 .. ${CONNECTIONS};
my $whole = 0;
for my $number (0 .. $#peers) { syswrite $peers[$number], "connection $number " x 1000; shutdown $peers[$number], 1 }
for my $number (0 .. $#peers) {
  my ($all, $bytes) = ('');
  $all .= $bytes while sysread $peers[$number], $bytes, 65536;
  $whole++ if $all eq "connection $number " x 1000;
}
print "$whole whole\n";
`;
/** Waits on a connection to the host and says what ended it. */
const WAITING_CLIENT = String.raw`${PERL_VSOCK}
my $peer = vsock();
connect $peer, address(2, ${HOST_PORT.silent}) or die "connect: $!";
open my $log, '>', '/tmp/waited'; $log->autoflush(1);
my $got = sysread $peer, my $bytes, 1;
print $log defined $got ? "got $got\n" : "$!\n";
`;
const SCRIPT = `
ulimit -n 4096
socat -t60 VSOCK-LISTEN:${PORT.digest},fork EXEC:sha256sum &
socat -t60 VSOCK-LISTEN:${PORT.late},fork EXEC:/late &
printf '#!/bin/sh\nwhile ! [ -e /tmp/go ]; do sleep 0.1; done; sha256sum\n' > /late; chmod +x /late
socat VSOCK-LISTEN:${PORT.rude},fork EXEC:'head -c 1000' &
perl /echo &
`;

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('sockets between guest and host', { timeout: 1_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-vsock-'));
  const path = join(folder, 'v.sock');
  const vitrine = new VitrineProgram(folder);
  const machines: ChildProcess[] = [];
  const servers: Server[] = [];
  let reason: string | undefined;
  /** Resolved when the late port of the host is to read. */
  const goOn = Promise.withResolvers<void>();

  const tests = (name: string, body: () => Promise<void>) =>
    it(name, (t) => (reason === undefined ? body() : t.skip(reason)));

  async function startMachine(name: string, args: readonly string[]): Promise<void> {
    machines.push(await vitrine.startNamed(name, args));
    await vitrine.guestSays(name, 'true');
  }

  async function serve(socketPath: string, take: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      take(socket);
    });
    servers.push(server);
    server.listen(socketPath);
    await once(server, 'listening');
  }

  async function serveAll(base: string): Promise<void> {
    await serve(`${base}_${HOST_PORT.digest}`, answerDigest);
    await serve(`${base}_${HOST_PORT.echo}`, (socket) => void socket.pipe(socket));
    await serve(`${base}_${HOST_PORT.late}`, (socket) => void goOn.promise.then(() => answerDigest(socket)));
    await serve(`${base}_${HOST_PORT.rude}`, (socket) => void socket.once('data', () => socket.destroy()));
    await serve(`${base}_${HOST_PORT.silent}`, (socket) => void socket.resume());
  }

  before(async () => {
    const programs = { '/echo': ECHO_SERVER, '/many': MANY_CLIENTS, '/wait': WAITING_CLIENT };
    const modules = ['vmw_vsock_virtio_transport'];
    const boot = await makeAgentGuest(folder, { modules, programs, packages: PACKAGES, script: SCRIPT }).catch(
      (error: Error) => {
        reason = error.message;
      },
    );
    if (!boot) return;
    await serveAll(path);
    await startMachine('guest', [...boot, '--memory', '384M', '--net', 'none', '--vsock', `${path},cid=42`]);
  });
  after(() => {
    for (const machine of machines) machine.kill();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true });
  });

  tests('are for their owner alone, who is told where they are', async () => {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(JSON.parse((await vitrine.run(['info', '--json', 'guest'])).stdout.toString()).vsock, path);
  });

  tests('carry much from the guest, whose end of file is no end of the answer', async () => {
    const send = `socat -t60 STDIO VSOCK-CONNECT:2:${HOST_PORT.digest} < /tmp/file`;
    const said = await vitrine.guestSays(
      'guest',
      `head -c ${BYTES} /dev/urandom > /tmp/file; ${send}; sha256sum < /tmp/file`,
    );
    const [seen, sent] = [said.slice(0, 64), said.slice(64, 128)];
    assert.equal(seen, sent);
  });

  tests('carry much to the guest', async () => {
    const data = randomBytes(BYTES);
    const { socket, said } = await connectToGuest(path, PORT.digest);
    socket.end(data);
    assert.match(said, /^OK 10737418\d\d$/);
    assert.equal((await text(socket)).slice(0, 64), sha256(data));
  });

  tests(`carry ${CONNECTIONS} connections of the host at the same time`, async () => {
    assert.deepEqual(await echoesOf(path), new Array(CONNECTIONS).fill(true));
  });

  tests(`carry ${CONNECTIONS} connections of the guest at the same time`, async () => {
    assert.equal(await vitrine.guestSays('guest', 'ulimit -n 4096; perl /many'), `${CONNECTIONS} whole\n`);
  });

  tests('hold up who sends more than is read, while others go on', async () => {
    const data = randomBytes(HELD_BYTES);
    const { socket } = await connectToGuest(path, PORT.late);
    socket.end(data);
    const send = `socat -t60 STDIO VSOCK-CONNECT:2:${HOST_PORT.late} < /tmp/late > /tmp/seen; touch /tmp/sent`;
    await vitrine.guestSays('guest', `head -c ${HELD_BYTES} /dev/urandom > /tmp/late; (${send}) > /dev/null 2>&1 &`);
    assert.deepEqual(await echoesOf(path), new Array(CONNECTIONS).fill(true));
    assert.ok(socket.writableLength > HELD_BYTES / 2, `${socket.writableLength} bytes wait`);
    assert.equal(
      await vitrine.guestSays('guest', 'ls /tmp/sent 2>&1 || true'),
      'ls: /tmp/sent: No such file or directory\n',
    );
    goOn.resolve();
    assert.equal((await vitrine.guestSays('guest', 'touch /tmp/go; echo gone')).trim(), 'gone');
    assert.equal((await text(socket)).slice(0, 64), sha256(data));
    const said = await vitrine.guestSays(
      'guest',
      'while ! [ -e /tmp/sent ]; do sleep 0.1; done; cat /tmp/seen; sha256sum < /tmp/late',
    );
    assert.equal(said.slice(0, 64), said.slice(64, 128));
  });

  tests('end who writes to a program that is gone', async () => {
    const endless = `dd if=/dev/zero bs=64k 2>/dev/null | socat -u STDIN VSOCK-CONNECT:2:${HOST_PORT.rude} 2>&1; true`;
    assert.match(await vitrine.guestSays('guest', endless), /Broken pipe|Connection reset by peer/);
    const { socket } = await connectToGuest(path, PORT.rude);
    const data = Buffer.alloc(MIB);
    const write = () => void (socket.writable && socket.write(data, write));
    write();
    let seen = 0;
    socket.on('data', ({ length }) => {
      seen += length;
    });
    await new Promise((resolve) => socket.once('close', resolve));
    assert.equal(seen, 1000, 'what was sent before the end has come');
  });

  tests('refuse at once where nobody listens', async () => {
    const refused = await vitrine.guestSays('guest', `socat - VSOCK-CONNECT:2:${NOBODY} 2>&1 </dev/null || true`);
    assert.match(refused, /Connection reset by peer/);
    const { said } = await connectToGuest(path, NOBODY);
    assert.equal(said, '');
  });

  tests('break with a snapshot, and are there anew', async () => {
    const saved = join(folder, 'saved');
    await vitrine.guestSays(
      'guest',
      'perl -MIO::Handle /wait > /dev/null 2>&1 & while ! [ -e /tmp/waited ]; do sleep 0.1; done',
    );
    assert.equal((await vitrine.run(['snapshot', 'create', 'guest', saved])).status, 0);
    assert.equal(await vitrine.guestSays('guest', 'cat /tmp/waited'), '', 'the original goes on');

    const other = join(folder, 'other.sock');
    await serveAll(other);
    await startMachine('again', ['--snapshot', saved, '--vsock', `${other},cid=43`, '--net', 'none']);
    const waited = await vitrine.guestSays('again', 'while ! [ -s /tmp/waited ]; do sleep 0.1; done; cat /tmp/waited');
    assert.equal(waited, 'Connection reset by peer\n');
    assert.deepEqual(await echoesOf(other), new Array(CONNECTIONS).fill(true));
    assert.equal(await vitrine.guestSays('again', 'ulimit -n 4096; perl /many'), `${CONNECTIONS} whole\n`);
    assert.deepEqual((await echoesOf(path)).length, CONNECTIONS, 'the original has its own');

    const taken = await vitrine.run(['run', '--snapshot', saved, '--net', 'none']);
    assert.equal(taken.status, 1);
    assert.match(taken.stderr, /^vitrine: --vsock: found ".*v\.sock", .*EADDRINUSE.*, expected a path to listen on\n$/);
  });

  tests('are not those of the original in a fork', async () => {
    assert.equal((await vitrine.run(['fork', 'guest', 'copy'])).status, 0);
    const refused = await vitrine.guestSays(
      'copy',
      `socat - VSOCK-CONNECT:2:${HOST_PORT.echo} 2>&1 </dev/null || true`,
    );
    assert.match(refused, /Connection reset by peer/);
    assert.equal((await vitrine.run(['stop', '--force', 'copy'])).status, 0);
  });

  tests('leave nothing behind when the machine is interrupted', async () => {
    const [guest] = machines;
    const over = once(guest, 'exit');
    guest.kill('SIGINT');
    assert.deepEqual([(await over)[0], existsSync(path)], [130, false]);
  });
});

/** Says the hash of what has come when that has ended. */
function answerDigest(socket: Socket): void {
  const hash = createHash('sha256');
  socket.on('data', (bytes) => hash.update(bytes));
  socket.on('end', () => socket.end(hash.digest('hex')));
}

/** Connects to a port of a guest. @returns what was answered, a line; empty where the guest has refused */
async function connectToGuest(path: string, port: number): Promise<{ socket: Socket; said: string }> {
  const socket = createConnection({ path, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.write(`CONNECT ${port}\n`);
  let said = '';
  for (;;) {
    const byte = socket.read(1) as Buffer | null;
    if (byte?.[0] === 0x0a) return { socket, said };
    if (byte) said += byte.toString('latin1');
    else if (socket.readableEnded || socket.destroyed) return { socket, said };
    else await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
  }
}

/** Opens many connections to the guest's echo at once. @returns which of them brought back what they were given */
async function echoesOf(path: string): Promise<boolean[]> {
  const all = Array.from({ length: CONNECTIONS }, () => connectToGuest(path, PORT.echo));
  const clients = await Promise.all(all);
  return Promise.all(
    clients.map(async ({ socket }, index) => {
      const sent = Buffer.alloc(SENT_BYTES, `connection ${index} says what no other says. `);
      socket.end(sent);
      return (await buffer(socket)).equals(sent);
    }),
  );
}
