import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteWriter } from '../base/bytes.ts';
import { formatAddress } from '../base/ip-address.ts';
import { BROADCAST_MAC, ETHERTYPE, get16, put16, putEthernetHeader } from './ethernet.ts';
import { finishIcmp } from './icmp.ts';
import { IpWriter, PROTOCOL } from './ip.ts';
import { parseDestination, type Rule } from './policy.ts';
import { FLAG } from './tcp/segment.ts';
import { GUEST_MAC, ip, NETWORK_MAC, TestNetwork } from './test-network.case.ts';
import { makeUdp, parseUdp } from './udp.ts';
import type { UserNetworkOptions } from './user-network.ts';

const GUEST = ip('10.0.2.15');
const HOST = ip('10.0.2.2');
const to = (target: string) => ({ source: GUEST, target: ip(target) });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function rule(allows: boolean, text: string): Rule {
  return { allows, destination: parseDestination(text) ?? assert.fail(text) };
}

function arp(target: string): Uint8Array {
  const frame = new Uint8Array(42);
  putEthernetHeader(frame, BROADCAST_MAC, GUEST_MAC, ETHERTYPE.arp);
  frame.set([0, 1, 8, 0, 6, 4, 0, 1, ...GUEST_MAC, ...GUEST, 0, 0, 0, 0, 0, 0, ...ip(target)], 14);
  return frame;
}

function ping(length = 8): Uint8Array {
  const message = new Uint8Array(length).fill(7, 8);
  message.set([8, 0, 0, 0, 0, 5, 0, 1]);
  finishIcmp(message, to('10.0.2.2'));
  return message;
}

describe('ARP', () => {
  it('is answered for the addresses of the network alone', () => {
    const guest = new TestNetwork();
    for (const address of ['10.0.2.2', '10.0.2.3', '10.0.2.4', '10.0.2.15']) guest.sendFrame(arp(address));
    const answers = guest.frames.map((frame) => [hex(frame.subarray(0, 6)), formatAddress(frame.subarray(28, 32))]);
    assert.deepEqual(answers, [
      [hex(GUEST_MAC), '10.0.2.2'],
      [hex(GUEST_MAC), '10.0.2.3'],
    ]);
    assert.equal(hex(guest.frames[0].subarray(22, 28)), hex(NETWORK_MAC));
  });

  it('asks for a guest that was never heard, and sends what waits when it answers', () => {
    const guest = new TestNetwork();
    guest.forward(22);
    const [request] = guest.frames.splice(0);
    assert.deepEqual(
      [get16(request, 12), request[21], formatAddress(request.subarray(38, 42))],
      [0x0806, 1, '10.0.2.15'],
    );
    guest.sendFrame(arp('10.0.2.2'));
    const types = guest.frames.map((frame) => get16(frame, 12)).sort();
    assert.deepEqual(types, [ETHERTYPE.ipv4, ETHERTYPE.arp]);
  });
});

describe('ping', () => {
  it('is answered by the router and the name server', () => {
    const guest = new TestNetwork();
    for (const target of ['10.0.2.2', '10.0.2.3']) guest.sendPacket(to(target), PROTOCOL.icmp, ping(64));
    const answers = guest.packets();
    assert.deepEqual(
      answers.map(({ source, payload }) => [formatAddress(source), payload[0], payload.length]),
      [
        ['10.0.2.2', 0, 64],
        ['10.0.2.3', 0, 64],
      ],
    );
  });

  it('is answered in fragments where it came in fragments, in any order', () => {
    const guest = new TestNetwork();
    const frames = new IpWriter().frames(to('10.0.2.2'), PROTOCOL.icmp, ping(4000));
    assert.equal(frames.length, 3);
    for (const frame of frames.reverse()) {
      putEthernetHeader(frame, NETWORK_MAC, GUEST_MAC, ETHERTYPE.ipv4);
      guest.sendFrame(frame);
    }
    const lengths = guest.packets().map(({ payload, fragment }) => [payload.length, fragment?.offsetBytes]);
    assert.deepEqual(lengths, [
      [1480, 0],
      [1480, 1480],
      [1040, 2960],
    ]);
  });

  it('to the outside is refused, since no privilege is asked for', () => {
    const guest = new TestNetwork();
    guest.sendPacket(to('192.0.2.1'), PROTOCOL.icmp, ping());
    assert.deepEqual(
      guest.packets().map(({ payload }) => [payload[0], payload[1]]),
      [[3, 13]],
    );
  });

  it('works over IPv6', () => {
    const guest = new TestNetwork();
    const path = { source: ip('fec0::15'), target: ip('fec0::2') };
    const message = Uint8Array.of(128, 0, 0, 0, 1, 2, 3, 4);
    finishIcmp(message, path);
    guest.sendPacket(path, PROTOCOL.icmpv6, message);
    assert.equal(guest.packets()[0].payload[0], 129);
  });
});

describe('neighbour discovery', () => {
  const linkLocal = ip('fe80::1234');

  it('tells of the router, the prefix and the name server', () => {
    const guest = new TestNetwork();
    const path = { source: linkLocal, target: ip('ff02::2') };
    const message = new ByteWriter().append([133, 0]).zeros(6).append([1, 1]).append(GUEST_MAC).finish();
    finishIcmp(message, path);
    guest.sendPacket(path, PROTOCOL.icmpv6, message);
    const [{ payload, hopLimit, source }] = guest.packets();
    assert.deepEqual([payload[0], hopLimit, formatAddress(source)], [134, 255, 'fe80::2']);
    assert.ok(hex(payload).includes(`${hex(ip('fec0::'))}`));
    assert.ok(hex(payload).endsWith(hex(ip('fec0::3'))));
  });

  it('says where the network’s addresses are, and believes nothing from further away', () => {
    const guest = new TestNetwork();
    const path = { source: linkLocal, target: ip('ff02::1:ff00:2') };
    const message = new ByteWriter().append([135, 0]).zeros(6).append(ip('fec0::2')).append([1, 1]).append(GUEST_MAC);
    const bytes = message.finish();
    finishIcmp(bytes, path);
    guest.sendPacket(path, PROTOCOL.icmpv6, bytes, 254);
    assert.deepEqual(guest.packets(), []);
    guest.sendPacket(path, PROTOCOL.icmpv6, bytes);
    const [{ payload }] = guest.packets();
    assert.deepEqual([payload[0], hex(payload.subarray(26, 32))], [136, hex(NETWORK_MAC)]);
  });
});

describe('DHCP', () => {
  const message = (type: number, ...options: number[]) => {
    const writer = new ByteWriter()
      .append([1, 1, 6, 0, 1, 2, 3, 4])
      .zeros(20)
      .append(GUEST_MAC)
      .zeros(10 + 192);
    return writer.append([0x63, 0x82, 0x53, 0x63, 53, 1, type, ...options, 255]).finish();
  };
  const ask = (guest: TestNetwork, bytes: Uint8Array) => {
    guest.sendUdp({ source: ip('0.0.0.0'), target: ip('255.255.255.255') }, 68, 67, bytes);
    const [packet] = guest.packets();
    return packet && parseUdp(packet, false)?.data;
  };

  it('offers and confirms the address that QEMU gives, with router and name server', () => {
    const guest = new TestNetwork();
    for (const [type, answer] of [
      [1, 2],
      [3, 5],
    ]) {
      const reply = ask(guest, message(type, 50, 4, 10, 0, 2, 15)) ?? assert.fail('no answer');
      assert.equal(formatAddress(reply.subarray(16, 20)), '10.0.2.15');
      const options = hex(reply.subarray(240));
      assert.ok(options.startsWith(`35010${answer}`));
      assert.ok(options.includes('03040a000202') && options.includes('06040a000203'));
    }
  });

  it('refuses another address than it gave', () => {
    const reply = ask(new TestNetwork(), message(3, 50, 4, 10, 0, 2, 99)) ?? assert.fail('no answer');
    assert.equal(reply[242], 6);
  });

  it('tells a restricted guest of no way out', () => {
    const reply = ask(new TestNetwork({ restrict: true }), message(1)) ?? assert.fail('no answer');
    assert.ok(!hex(reply.subarray(240)).includes('03040a000202'));
  });

  it('ignores what is malformed', () => {
    const guest = new TestNetwork();
    assert.equal(ask(guest, message(1).subarray(0, 230)), undefined);
    assert.equal(ask(guest, message(9)), undefined);
    assert.equal(ask(guest, message(1, 54, 4, 1, 2, 3, 4)), undefined);
  });
});

describe('DHCPv6', () => {
  const ALL_SERVERS = { source: ip('fe80::5054:ff:fe12:3456'), target: ip('ff02::1:2') };
  const REQUEST = [11, 0xab, 0xcd, 0xef];
  const CLIENT = [0, 1, 0, 3, 7, 8, 9];
  const OWN = '0002000a0003000152550a000202';

  /** What comes back, in hexadecimal digits. */
  function answers(message: readonly number[], path = ALL_SERVERS, restrict = false): string[] {
    const guest = new TestNetwork({ restrict });
    guest.sendUdp(path, 546, 547, Uint8Array.from(message));
    return guest.packets().flatMap((packet) => {
      const datagram = packet.protocol === PROTOCOL.udp ? parseUdp(packet, false) : undefined;
      return datagram ? [`${formatAddress(datagram.source)} ${datagram.targetPort} ${hex(datagram.data)}`] : [];
    });
  }

  it('tells the name server to those who ask for information', () => {
    const named = '00170010fec00000000000000000000000000003';
    assert.deepEqual(answers([...REQUEST, ...CLIENT]), [`fe80::2 546 07abcdef00010003070809${OWN}${named}`]);
    assert.deepEqual(answers(REQUEST, ALL_SERVERS, true), [`fe80::2 546 07abcdef${OWN}`]);
  });

  it('does not answer what is meant for others, asks for addresses, or is cut off', () => {
    assert.deepEqual(answers([...REQUEST, 0, 2, 0, 1, 9]), []);
    assert.deepEqual(answers([1, 1, 2, 3, ...CLIENT]), []);
    assert.deepEqual(answers([11, 1]), []);
    assert.equal(answers([...REQUEST, 0, 1, 0xff, 0xff, 1]).length, 1);
    assert.deepEqual(answers([...REQUEST, 0, 1, 0, 131, ...new Array(131).fill(1)]), []);
  });
});

describe('UDP', () => {
  it('goes out by a socket of its own, and answers come back', () => {
    const guest = new TestNetwork();
    guest.sendUdp(to('192.0.2.7'), 5000, 9, 'hello');
    guest.sendUdp(to('192.0.2.8'), 5000, 9, 'again');
    assert.equal(guest.host.sockets.length, 1);
    const [socket] = guest.host.sockets;
    assert.deepEqual(socket.sent, ['192.0.2.7 9 hello', '192.0.2.8 9 again']);
    socket.receive(new TextEncoder().encode('hi'), { address: ip('192.0.2.8'), port: 9 });
    assert.deepEqual(guest.datagrams(), ['192.0.2.8 9 > 5000 hi']);
  });

  it('reaches the host at 10.0.2.2, and its answers come from there', () => {
    const guest = new TestNetwork();
    guest.sendUdp(to('10.0.2.2'), 5000, 9, 'hello');
    const [socket] = guest.host.sockets;
    assert.deepEqual(socket.sent, ['127.0.0.1 9 hello']);
    socket.receive(new TextEncoder().encode('hi'), { address: ip('127.0.0.1'), port: 9 });
    assert.deepEqual(guest.datagrams(), ['10.0.2.2 9 > 5000 hi']);
  });

  it('closes sockets that nothing passes through', () => {
    const guest = new TestNetwork();
    guest.sendUdp(to('192.0.2.7'), 5000, 9, 'hello');
    guest.wait(119_000);
    assert.equal(guest.host.sockets[0].closed, false);
    guest.wait(2000);
    assert.equal(guest.host.sockets[0].closed, true);
  });

  it('closes the oldest sockets of a guest that opens too many', () => {
    const guest = new TestNetwork();
    for (let port = 1; port <= 1100; port++) guest.sendUdp(to('192.0.2.7'), port, 9, '');
    assert.equal(guest.host.sockets.filter(({ closed }) => !closed).length, 1024);
  });

  it('with a wrong checksum is dropped', () => {
    const guest = new TestNetwork();
    const bytes = makeUdp(to('192.0.2.7'), 1, 2, Uint8Array.of(1));
    put16(bytes, 6, get16(bytes, 6) ^ 0x100);
    guest.sendPacket(to('192.0.2.7'), PROTOCOL.udp, bytes);
    assert.equal(guest.host.sockets.length, 0);
  });

  it('from outside comes by a forward, and each peer gets its answers', () => {
    const guest = new TestNetwork();
    guest.sendFrame(arp('10.0.2.2'));
    guest.frames.length = 0;
    const answers: string[] = [];
    for (const peer of ['a', 'b']) {
      const data = new TextEncoder().encode(`from ${peer}`);
      const reply = (bytes: Uint8Array) => answers.push(`${peer} ${new TextDecoder().decode(bytes)}`);
      guest.network.forwardDatagram({ data, peer, reply }, 53);
    }
    const ports = guest.datagrams().map((text) => Number(text.split(' ')[1]));
    assert.equal(new Set(ports).size, 2);
    guest.sendUdp(to('10.0.2.2'), 53, ports[1], 'for b');
    guest.sendUdp(to('10.0.2.2'), 53, ports[0], 'for a');
    assert.deepEqual(answers, ['b for b', 'a for a']);
    assert.equal(guest.host.sockets.length, 0);
  });
});

describe('names', () => {
  const question = (name: string, type: number) => {
    const writer = new ByteWriter().append([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for (const label of name.split('.')) writer.u8(label.length).text(label);
    return writer.append([0, 0, type, 0, 1]).finish();
  };
  const ask = async (guest: TestNetwork, name: string, type: number) => {
    guest.sendUdp(to('10.0.2.3'), 5353, 53, question(name, type));
    await guest.settle();
    const [packet] = guest.packets();
    return (packet && parseUdp(packet, false)?.data) ?? new Uint8Array(0);
  };
  const answered = (reply: Uint8Array) => [get16(reply, 0), reply[3] & 15, get16(reply, 6)];

  it('are looked up as the host does', async () => {
    const guest = new TestNetwork();
    guest.host.names.set('debian.org', ['192.0.2.5', '192.0.2.6', '2001:db8::5']);
    const reply = await ask(guest, 'Debian.org', 1);
    assert.deepEqual(answered(reply), [0x1234, 0, 2]);
    assert.ok(hex(reply).endsWith(`0004${hex(ip('192.0.2.6'))}`));
    assert.ok(hex(await ask(guest, 'debian.org', 28)).endsWith(`0010${hex(ip('2001:db8::5'))}`));
  });

  it('that do not exist are told from those without addresses of the kind', async () => {
    const guest = new TestNetwork();
    guest.host.names.set('four.org', ['192.0.2.5']);
    assert.deepEqual(answered(await ask(guest, 'none.org', 1)), [0x1234, 3, 0]);
    assert.deepEqual(answered(await ask(guest, 'four.org', 28)), [0x1234, 0, 0]);
  });

  it('of other kinds are asked of the host’s name server', async () => {
    const guest = new TestNetwork();
    assert.deepEqual(answered(await ask(guest, 'mail.org', 15)), [0x1234, 2, 0]);
    guest.host.answer = question('mail.org', 15).fill(0, 0, 2);
    assert.equal(get16(await ask(guest, 'mail.org', 15), 0), 0x1234);
  });

  it('are answered over TCP too', async () => {
    const guest = new TestNetwork();
    guest.host.names.set('debian.org', ['192.0.2.5']);
    const path = to('10.0.2.3');
    const header = { sourcePort: 999, targetPort: 53, sequence: 1, acknowledgment: 0, flags: FLAG.syn, window: 9999 };
    guest.sendTcp(path, header);
    await guest.settle();
    const acknowledgment = (guest.segments()[0].sequence + 1) >>> 0;
    const bytes = question('debian.org', 1);
    const text = new TextDecoder('latin1').decode(Uint8Array.of(0, bytes.length, ...bytes));
    guest.sendTcp(path, { ...header, sequence: 2, acknowledgment, flags: FLAG.ack }, text);
    for (let turns = 0; turns < 5; turns++) await guest.settle();
    const data = guest.segments().find((segment) => segment.data.length > 0)?.data ?? assert.fail('no answer');
    assert.equal(get16(data, 0), data.length - 2);
    assert.deepEqual(answered(data.subarray(2)), [0x1234, 0, 1]);
  });

  it('are refused where no rule lets the guest go there', async () => {
    const guest = new TestNetwork({ rules: [rule(false, 'evil.org')] });
    guest.host.names.set('evil.org', ['192.0.2.5']);
    assert.deepEqual(answered(await ask(guest, 'evil.org', 1)), [0x1234, 5, 0]);
  });

  it('decide where the guest may go', async () => {
    const guest = new TestNetwork({ rules: [rule(true, '*.good.org:80')] });
    guest.host.names.set('www.good.org', ['192.0.2.5']);
    guest.sendUdp(to('192.0.2.5'), 1, 80, 'too early');
    await ask(guest, 'www.good.org', 1);
    guest.sendUdp(to('192.0.2.5'), 1, 80, 'now');
    guest.sendUdp(to('192.0.2.5'), 1, 81, 'not here');
    guest.sendUdp(to('192.0.2.6'), 1, 80, 'nor there');
    assert.deepEqual(
      guest.host.sockets.flatMap(({ sent }) => sent),
      ['192.0.2.5 80 now'],
    );
  });
});

describe('where the guest may not go', () => {
  const tries = (options: Partial<UserNetworkOptions>, ...targets: string[]) => {
    const guest = new TestNetwork(options);
    for (const [index, target] of targets.entries()) {
      const header = {
        sourcePort: 9 + index,
        targetPort: 80,
        sequence: 1,
        acknowledgment: 0,
        flags: FLAG.syn,
        window: 1,
      };
      guest.sendTcp(to(target), header);
      guest.sendUdp(to(target), 9 + index, 80, 'x');
    }
    const udp = guest.host.sockets.flatMap(({ sent }) => sent).map((text) => text.split(' ')[0]);
    assert.deepEqual(
      guest.host.connected.map((text) => text.split(' ')[0]),
      udp,
    );
    return udp;
  };

  it('are addresses that lead nowhere, by TCP and UDP alike', () => {
    assert.deepEqual(tries({}, '127.0.0.1', '10.0.2.99', '0.1.2.3', '240.0.0.1', '192.0.2.1'), ['192.0.2.1']);
  });

  it('is everywhere when it is restricted, but its forwards work', () => {
    assert.deepEqual(tries({ restrict: true }, '10.0.2.2', '192.0.2.1'), []);
  });

  it('is what rules deny: the first that fits decides', () => {
    const rules = [rule(true, '192.0.2.1'), rule(false, '192.0.2.0/24'), rule(true, '0.0.0.0/0:80')];
    assert.deepEqual(tries({ rules }, '192.0.2.1', '192.0.2.2', '198.51.100.1'), ['192.0.2.1', '198.51.100.1']);
    assert.deepEqual(tries({ rules: [rule(false, '10.0.2.2')] }, '10.0.2.2', '192.0.2.1'), ['192.0.2.1']);
  });

  it('is told by ICMP where a datagram is refused', () => {
    const guest = new TestNetwork({ restrict: true });
    guest.sendUdp(to('192.0.2.1'), 1, 2, 'x');
    assert.deepEqual(
      guest.packets().map(({ source, payload }) => [formatAddress(source), payload[0], payload[1]]),
      [[formatAddress(HOST), 3, 13]],
    );
  });
});
