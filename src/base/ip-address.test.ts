import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, isInCidr, parseAddress, parseCidr } from './ip-address.ts';

test('addresses are read and written in their shortest form', () => {
  for (const [text, shortest = text] of [
    ['10.0.2.15'],
    ['::'],
    ['::1'],
    ['fe80::'],
    ['2001:db8::5:0:1'],
    ['1:2:3:4:5:6:7:8'],
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['1:0:3:4:5:6:7:8'],
  ]) {
    assert.equal(formatAddress(parseAddress(text) ?? assert.fail(text)), shortest);
  }
});

test('what is no address is told', () => {
  for (const wrong of ['', '1.2.3', '1.2.3.256', '1:2', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', 'g::', '1.2.3.4.5']) {
    assert.equal(parseAddress(wrong), undefined, wrong);
  }
});

test('a range holds the addresses that begin as it does', () => {
  const inside = (address: string, range: string) =>
    isInCidr(parseAddress(address) ?? assert.fail(), parseCidr(range) ?? assert.fail());
  assert.equal(inside('10.255.0.1', '10.0.0.0/8'), true);
  assert.equal(inside('11.0.0.1', '10.0.0.0/8'), false);
  assert.equal(inside('10.0.2.129', '10.0.2.128/25'), true);
  assert.equal(inside('10.0.2.127', '10.0.2.128/25'), false);
  assert.equal(inside('::1', '0.0.0.0/0'), false);
  assert.equal(inside('fec0::5', 'fec0::/64'), true);
  assert.equal(parseCidr('1.2.3.4/33'), undefined);
});
