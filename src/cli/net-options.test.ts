import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseNet } from './net-options.ts';
import { parseShare } from './share-options.ts';

describe('--net', () => {
  it('takes none, and user with its words', () => {
    assert.deepEqual(parseNet('none'), { kind: 'none' });
    assert.deepEqual(parseNet('user'), { kind: 'user', model: 'e1000', forwards: [], restrict: false });
    const forward = { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 2222, guestAddress: '', guestPort: 22 };
    assert.deepEqual(parseNet('user,model=virtio,hostfwd=tcp:127.0.0.1:2222-:22,restrict'), {
      kind: 'user',
      model: 'virtio',
      forwards: [forward],
      restrict: true,
    });
    assert.equal(parseNet('user,hostfwd=udp:[::1]:53-10.0.2.15:5353').kind, 'user');
  });

  for (const wrong of [
    '',
    'tap',
    'user,x',
    'user,model=ne',
    'user,hostfwd=tcp:1-2',
    'user,hostfwd=tcp::99999-:1',
    'switch:a',
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
