import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseVsock } from './vsock-options.ts';

describe('--vsock', () => {
  it("takes a path, the guest's address, and none", () => {
    assert.deepEqual(parseVsock('/tmp/v.sock'), { path: '/tmp/v.sock' });
    assert.deepEqual(parseVsock('a,b,cid=42'), { path: 'a,b', cid: 42 });
    assert.deepEqual(parseVsock('v,cid=4294967294'), { path: 'v', cid: 4294967294 });
    assert.deepEqual(parseVsock('none'), {});
  });

  for (const [wrong, message] of [
    ['', 'found "", expected PATH[,cid=N] or none'],
    [',cid=3', 'found ",cid=3", expected PATH[,cid=N] or none'],
    ['v,cid=2', 'found "cid=2", expected cid= and a number from 3 to 4294967294'],
    ['v,cid=4294967295', 'found "cid=4294967295", expected cid= and a number from 3 to 4294967294'],
    ['v,cid=x', 'found "cid=x", expected cid= and a number from 3 to 4294967294'],
    ['v'.repeat(97), `found "${'v'.repeat(97)}", expected a path of at most 96 bytes, as names of sockets go`],
  ]) {
    it(`refuses "${wrong}" in words`, () => {
      assert.throws(() => parseVsock(wrong), { message: `--vsock: ${message}` });
    });
  }
});
