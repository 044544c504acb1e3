import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULT_NET, parseNet } from './net-options.ts';
import { parseShare } from './share-options.ts';

describe('--net', () => {
  it('takes none, and user with its words', () => {
    assert.deepEqual(parseNet('none'), { kind: 'none' });
    assert.deepEqual(parseNet('user'), DEFAULT_NET);
    const from = { host: '127.0.0.1', port: 2222 };
    assert.deepEqual(parseNet('user,model=virtio,hostfwd=tcp:127.0.0.1:2222-:22,restrict'), {
      kind: 'user',
      model: 'virtio',
      forwards: [{ protocol: 'tcp', from, guestAddress: undefined, guestPort: 22 }],
      restrict: true,
      rules: [],
    });
  });

  it('takes forwards of datagrams and of sockets in the file system', () => {
    const net = parseNet('user,hostfwd=udp:[::1]:53-10.0.2.15:5353,hostfwd=unix:/run/a-b-:80');
    assert.deepEqual(net.kind === 'user' && net.forwards, [
      { protocol: 'udp', from: { host: '::1', port: 53 }, guestAddress: Uint8Array.of(10, 0, 2, 15), guestPort: 5353 },
      { protocol: 'unix', from: { path: '/run/a-b' }, guestAddress: undefined, guestPort: 80 },
    ]);
  });

  it('takes switches by name', () => {
    assert.deepEqual(parseNet('switch:lab,nat,model=virtio,mac=02:00:00:00:00:0a'), {
      kind: 'switch',
      name: 'lab',
      model: 'virtio',
      nat: true,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 10),
    });
  });

  it('takes what a switch offers to those that join it', () => {
    const text =
      'switch:lab,vlan=10,trunk=20+30,tftp=/srv,bootfile=a.0,ws=[::]:8022,token=/t,origin=https://a.example/x';
    assert.deepEqual(parseNet(text), {
      kind: 'switch',
      name: 'lab',
      model: 'e1000',
      nat: false,
      cable: { vlan: 10, tagged: [20, 30] },
      tftp: '/srv',
      bootFile: 'a.0',
      web: { host: '::', port: 8022 },
      tokenFile: '/t',
      origins: ['https://a.example'],
    });
    const net = parseNet('switch:lab,ws=0');
    assert.deepEqual(net.kind === 'switch' && net.web, { port: 0 });
  });

  it('takes switches of other hosts, and interfaces of this one', () => {
    const remote = { kind: 'ws', url: 'ws://host:8022', tokenFile: '/t', model: 'virtio' };
    assert.deepEqual(parseNet('ws://host:8022,token=/t,model=virtio'), remote);
    assert.deepEqual(parseNet('tap:vt0'), { kind: 'tap', interfaceName: 'vt0', model: 'e1000' });
  });

  it('takes how bad a cable is', () => {
    const cable = { loss: 0.01, delayMillis: 50, bytesPerSecond: 1_250_000 };
    for (const net of ['user', 'switch:lab']) {
      const option = parseNet(`${net},loss=1%,delay=50,rate=10`);
      assert.deepEqual(option.kind !== 'none' && option.cable, cable);
    }
  });

  it('takes rules in their order', () => {
    const net = parseNet('user,deny=10.0.0.0/8,allow=*.debian.org:80-443');
    assert.deepEqual(net.kind === 'user' && net.rules, [
      {
        allows: false,
        destination: { range: { address: Uint8Array.of(10, 0, 0, 0), prefixBits: 8 }, ports: [0, 65535] },
      },
      { allows: true, destination: { name: '*.debian.org', ports: [80, 443] } },
    ]);
  });

  for (const wrong of [
    '',
    'tap',
    'user,x',
    'user,model=ne',
    'user,hostfwd=tcp:1-2',
    'user,loss=101%',
    'user,delay=-1',
    'switch:lab,rate=0',
    'user,hostfwd=tcp::99999-:1',
    'user,hostfwd=udp::1-:0',
    'user,hostfwd=unix:-:1',
    'user,allow=10.0.0.0/33',
    'user,deny=a:b',
    'user,mac=01:00:00:00:00:00',
    'user,tftp=',
    'user,bootfile=',
    `user,bootfile=${'a'.repeat(201)}`,
    'switch:',
    'switch:a/b',
    'switch:a,restrict',
    'switch:a,vlan=0',
    'switch:a,vlan=1+2',
    'switch:a,trunk=4095',
    'switch:a,ws=99999',
    'switch:a,origin=here',
    'ws:',
    'ws://a,nat',
    'tap:',
    'tap:a-name-too-long-for-linux',
  ]) {
    it(`refuses "${wrong}" in words`, () => {
      assert.throws(() => parseNet(wrong), /^Error: --net: found ".*", expected /);
    });
  }
});

describe('--share', () => {
  it('takes a folder, a tag and ro', () => {
    assert.deepEqual(parseShare('/a:b:src'), { option: '--share', path: '/a:b', tag: 'src', readOnly: false });
    assert.deepEqual(parseShare('.:host:ro'), { option: '--share', path: '.', tag: 'host', readOnly: true });
  });

  for (const wrong of ['', 'dir', 'dir:', ':tag', 'dir:a,b', `dir:${'x'.repeat(32)}`]) {
    it(`refuses "${wrong}" in words`, () => {
      assert.throws(() => parseShare(wrong), /^Error: --share: found ".*", expected DIR:TAG/);
    });
  }
});
