import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteWriter } from '../base/bytes.ts';
import { formatAddress } from '../base/ip-address.ts';
import { ACK, counting, FIN, SYN, TestGuest } from './tcp/test-guest.case.ts';
import { TestBootFolder } from './test-boot-folder.case.ts';
import { GUEST_MAC, ip, TestNetwork } from './test-network.case.ts';
import { parseUdp } from './udp.ts';
import type { NetworkBoot } from './user-network.ts';

const HTTP_CLIENT = [60, 'HTTPClient:Arch:00016:UNDI:003001'] as const;
const PXE_CLIENT = [60, 'PXEClient:Arch:00000:UNDI:002001'] as const;
const IPXE = [77, 'iPXE'] as const;
const { open: openFile } = new TestBootFolder({ 'a.efi': counting(100_000) });

/** What a client that says something of itself is told to boot. */
function advised(boot: NetworkBoot, ...options: readonly (readonly [code: number, text: string])[]) {
  const guest = new TestNetwork({ boot });
  const writer = new ByteWriter().append([1, 1, 6, 0, 1, 2, 3, 4]).zeros(20).append(GUEST_MAC).zeros(202);
  writer.append([0x63, 0x82, 0x53, 0x63, 53, 1, 1]);
  for (const [code, text] of options) writer.append([code, text.length]).text(text);
  guest.sendUdp({ source: ip('0.0.0.0'), target: ip('255.255.255.255') }, 68, 67, writer.u8(255).finish());
  const [packet] = guest.packets();
  const reply = parseUdp(packet, false)?.data ?? assert.fail('no answer');
  assert.ok(reply.length <= 548, `${reply.length} bytes`);
  const text = (at: number, length: number) => Buffer.from(reply.subarray(at, at + length)).toString('latin1');
  const told: Record<number, string> = {};
  for (let at = 240; reply[at] !== 255; at += 2 + reply[at + 1]) told[reply[at]] = text(at + 2, reply[at + 1]);
  const [field] = text(108, 128).split('\0');
  return { server: formatAddress(reply.subarray(20, 24)), field, vendor: told[60], tftp: told[66], name: told[67] };
}

describe('a machine that boots from the network', () => {
  it('by PXE is told a name and the TFTP server, and so is iPXE', () => {
    for (const options of [[PXE_CLIENT], [PXE_CLIENT, IPXE], []]) {
      assert.deepEqual(advised({ openFile, fileName: 'a.0' }, ...options), {
        server: '10.0.2.4',
        field: 'a.0',
        vendor: undefined,
        tftp: '10.0.2.4',
        name: 'a.0',
      });
    }
  });

  it('by HTTP is told a URL of the file, by an answer of its own kind', () => {
    assert.deepEqual(advised({ openFile, fileName: '/efi\\a b.efi' }, HTTP_CLIENT), {
      server: '10.0.2.4',
      field: 'http://10.0.2.4/efi/a%20b.efi',
      vendor: 'HTTPClient',
      tftp: undefined,
      name: 'http://10.0.2.4/efi/a%20b.efi',
    });
  });

  it('is told a URL of elsewhere if it can take it', () => {
    const url = 'http://192.0.2.1:8080/menu.ipxe';
    const told = (...options: (typeof IPXE | typeof PXE_CLIENT | typeof HTTP_CLIENT)[]) =>
      advised({ fileName: url }, ...options).name;
    assert.deepEqual([told(HTTP_CLIENT), told(PXE_CLIENT, IPXE), told(), told(PXE_CLIENT)], [url, url, url, undefined]);
    assert.equal(advised({ fileName: 'tftp://192.0.2.1/a' }, HTTP_CLIENT).name, undefined);
  });

  it('is told a URL that is too long for the old field by the option alone', () => {
    const url = `http://192.0.2.1/${'a'.repeat(183)}`;
    const { field, name } = advised({ fileName: url }, HTTP_CLIENT);
    assert.deepEqual([field, name], ['', url]);
  });

  it('is told nothing where there is nothing to boot', () => {
    const { field, name, server } = advised({ openFile }, HTTP_CLIENT);
    assert.deepEqual([field, name, server], ['', undefined, '0.0.0.0']);
  });
});

describe('the boot server', () => {
  /** A guest with a connection to port 80 of 10.0.2.4. */
  async function connected(boot: NetworkBoot, restrict = false) {
    const guest = new TestGuest({ boot, restrict });
    guest.path.target = ip('10.0.2.4');
    guest.say(SYN, '', { mss: 1460, windowShift: 7, sackPermitted: true });
    await guest.settle();
    return guest;
  }

  for (const restrict of [false, true]) {
    it(`hands out files by HTTP${restrict ? ', on a restricted network, too' : ''}`, async () => {
      const guest = await connected({ openFile }, restrict);
      guest.expected = guest.heard().sequence + 1;
      guest.say(ACK);
      guest.say(ACK, 'GET /a.efi HTTP/1.0\r\n\r\n');
      let text = '';
      for (let turns = 0; turns < 200 && text.length < 100_000; turns++) {
        await guest.settle();
        text += guest.take();
      }
      const content = text.indexOf('\r\n\r\n') + 4;
      assert.match(text.slice(0, content), /^HTTP\/1.1 200 OK\r\n.*Content-Length: 100000\r\n/s);
      assert.equal(text.slice(content), new TextDecoder().decode(counting(100_000)));
      guest.say(ACK | FIN);
      assert.deepEqual(guest.host.connected, []);
    });
  }

  it('is not there without files, and has no other port', async () => {
    for (const [boot, port] of [
      [{ fileName: 'http://192.0.2.1/' }, 80],
      [{ openFile }, 81],
    ] as const) {
      const guest = new TestGuest({ boot });
      guest.path.target = ip('10.0.2.4');
      guest.peerPort = port;
      guest.say(SYN);
      await guest.settle();
      assert.ok(guest.segments().every(({ flags }) => !(flags & SYN)));
      assert.deepEqual(guest.host.connected, []);
    }
  });
});
