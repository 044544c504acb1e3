import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { NIC_MODELS, type NicModel } from '../src/boards/cards.ts';
import { openForward } from '../src/host/node/forwards.ts';
import { nodeNetHost } from '../src/host/node/net-host.ts';
import { UserNetwork } from '../src/net/user-network.ts';
import { cardOf, GET_LEASE, makeNetworkGuest, type NetworkGuest } from './guests/network-guest.ts';

/** Which cards are tried; `all` of them take some minutes. */
const ASKED = process.env.VITRINE_NICS ?? 'virtio,rtl8139';
const MODELS = ASKED === 'all' ? NIC_MODELS : NIC_MODELS.filter((model) => ASKED.split(',').includes(model));
const MIB = 1 << 20;
/** How much each card moves: the NE2000's driver moves two bytes an access. */
const SIZE_BYTES: Readonly<Record<NicModel, number>> = {
  virtio: 64 * MIB,
  e1000: 32 * MIB,
  rtl8139: 8 * MIB,
  ne2k: 8 * MIB,
};
/** What the guest sends by BusyBox's nc, which writes a kilobyte at a time. */
const SENT_BYTES = 2 * MIB;
const CONNECTIONS = 20;
const GUEST_PORT = 8000;

const script = (hostPort: number, sinkPort: number) => `
${GET_LEASE}
say() { echo "$1: $(eval "$2" 2>&1 | tr '\\n' ' ')"; }
say address 'ip -4 -o addr show dev eth0'
say station 'cat /sys/class/net/eth0/address'
say ping 'ping -c 3 -i 0.1 10.0.2.2 | grep transmitted'
say large-ping 'ping -c 2 -i 0.1 -s 4000 10.0.2.2 | grep transmitted'
say name 'nslookup -type=a localhost | tail -n 3'
say unknown 'nslookup -type=a nowhere.invalid'
say refused 'wget -O - http://10.0.2.2:1/'
mkdir /www
say fetch 'wget -q -O /www/file http://10.0.2.2:${hostPort}/file; sha256sum < /www/file'
say send 'head -c ${SENT_BYTES} /www/file | nc 10.0.2.2 ${sinkPort}'
say ping6 'ping -6 -c 2 -i 0.1 fec0::2 | grep transmitted'
say errors 'cd /sys/class/net/eth0/statistics; cat rx_errors rx_missed_errors tx_errors'
httpd -p ${GUEST_PORT} -h /www
say serving 'true'
read finished
`;

/** Answers what is sent to it with its SHA-256. */
function answerDigest(socket: Socket): void {
  const hash = createHash('sha256');
  socket.on('data', (chunk) => hash.update(chunk));
  socket.on('end', () => socket.end(`${hash.digest('hex')}\n`));
}

/** @returns the port it listens on */
function listenLocally(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

for (const model of MODELS) {
  describe(`Linux behind a ${model} card in the user-mode network`, { timeout: 600_000 }, () => {
    const data = new Uint8Array(SIZE_BYTES[model]).map((_, index) => Math.imul(index, 0x9e3779b1) >>> 13);
    let guest: NetworkGuest;
    let reason: string | undefined;
    let forwardPort = 0;
    const closers: (() => void)[] = [];

    before(async () => {
      const files = createHttpServer((_request, response) => response.end(data));
      const sink = createServer({ allowHalfOpen: true }, answerDigest);
      const [filesPort, sinkPort] = [await listenLocally(files), await listenLocally(sink)];
      const free = createServer();
      forwardPort = await listenLocally(free);
      await new Promise((resolve) => free.close(resolve));
      const forward = await openForward({
        protocol: 'tcp',
        from: { host: '127.0.0.1', port: forwardPort },
        guestPort: GUEST_PORT,
      });
      closers.push(
        () => files.close(),
        () => sink.close(),
        () => forward.close(),
      );
      const card = cardOf(model, (clock) => {
        const network = new UserNetwork({ host: nodeNetHost, clock, seed: 1n });
        forward.leadTo(network);
        closers.push(() => network.close());
        return network.port;
      });
      try {
        guest = await makeNetworkGuest(script(filesPort, sinkPort), [card]);
      } catch (error) {
        reason = (error as Error).message;
      }
    });
    after(async () => {
      guest?.serial.type('\n');
      await guest?.vm.run();
      for (const close of closers) close();
    });

    /** A test of what the guest says in the line that begins with `topic`. */
    const says = (name: string, topic: string, expected: RegExp | (() => RegExp)) =>
      it(name, async (t) => {
        if (reason !== undefined) return t.skip(reason);
        const [, said] = await guest.sees(new RegExp(`^${topic}: (.*)\r`, 'm'));
        assert.match(said, typeof expected === 'function' ? expected() : expected);
      });

    says('gets its address by DHCP', 'address', /inet 10\.0\.2\.15\/24/);
    says("finds the card's own address", 'station', /52:54:00:12:34:56/);
    says('pings its gateway', 'ping', /3 packets transmitted, 3 packets received/);
    says('exchanges datagrams in fragments', 'large-ping', /2 packets transmitted, 2 packets received/);
    says('resolves a name', 'name', /localhost Address: 127\.0\.0\.1/);
    says('is told that a name does not exist', 'unknown', /NXDOMAIN/);
    says('is told that nobody listens', 'refused', /Connection refused/);
    says('downloads a file whole', 'fetch', () => new RegExp(sha256(data)));
    says('uploads a file whole', 'send', () => new RegExp(sha256(data.subarray(0, SENT_BYTES))));
    says('pings over IPv6 with an address of its own making', 'ping6', /2 packets transmitted, 2 packets received/);
    says('counts no errors of its card', 'errors', /^0 0 0 /);

    it('serves many connections through a forwarded port', async (t) => {
      if (reason !== undefined) return t.skip(reason);
      await guest.sees(/^serving: /m);
      const fetched = Array.from({ length: CONNECTIONS }, async () => {
        const response = await fetch(`http://127.0.0.1:${forwardPort}/file`, { headers: { range: 'bytes=0-65535' } });
        return sha256((await response.bytes()).subarray(0, 1 << 16));
      });
      assert.deepEqual(await Promise.all(fetched), new Array(CONNECTIONS).fill(sha256(data.subarray(0, 1 << 16))));
      const whole = await fetch(`http://127.0.0.1:${forwardPort}/file`);
      assert.equal(sha256(await whole.bytes()), sha256(data));
    });
  });
}
