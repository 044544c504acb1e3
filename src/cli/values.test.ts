import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from './errors.ts';
import {
  formatSize,
  formatUuid,
  parseInteger,
  parseSeconds,
  parseSerial,
  parseSize,
  parseSocketAddress,
  parseUuid,
} from './values.ts';

describe('values of options', () => {
  for (const [text, bytes] of [
    ['1', 2 ** 20],
    ['512M', 2 ** 29],
    ['512MiB', 2 ** 29],
    ['2g', 2 ** 31],
    ['1.5G', 1.5 * 2 ** 30],
    ['64k', 65536],
  ] as const) {
    it(`the size ${text} is ${bytes} bytes`, () => assert.equal(parseSize('--memory', text), bytes));
  }

  for (const text of ['', 'M', '1e3', '0x10', '-1', '1.0000001K', '5X', '1 M', '99999999999999G']) {
    it(`"${text}" is no size`, () => assert.throws(() => parseSize('--memory', text), UsageError));
  }

  it('a UUID is 16 bytes in the order of its text', () => {
    const text = '00112233-4455-6677-8899-aabbccddeeff';
    const uuid = parseUuid('--uuid', text.toUpperCase());
    assert.deepEqual(
      [...uuid],
      Array.from({ length: 16 }, (_, at) => at * 0x11),
    );
    assert.equal(formatUuid(uuid), text);
    assert.throws(() => parseUuid('--uuid', '00112233445566778899aabbccddeeff'), UsageError);
  });

  it('sizes are shown in the largest unit that fits', () => {
    assert.deepEqual([2 ** 30, 1.5 * 2 ** 30, 2 ** 20, 4096, 10].map(formatSize), [
      '1G',
      '1.5G',
      '1M',
      '4K',
      '10 bytes',
    ]);
  });

  it('integers are decimal or hexadecimal, up to their limit', () => {
    assert.equal(parseInteger('--seed', '0xFF', 255n), 255n);
    assert.equal(parseInteger('--seed', '255', 255n), 255n);
    for (const text of ['256', '', '1.5', 'ff', '-1']) {
      assert.throws(() => parseInteger('--seed', text, 255n), UsageError, text);
    }
  });

  it('seconds may have decimals, but not be zero', () => {
    assert.equal(parseSeconds('--timeout', '1.5'), 1500);
    for (const text of ['0', '0.0', '-1', 'x', '9999999']) {
      assert.throws(() => parseSeconds('--timeout', text), UsageError, text);
    }
  });

  it('serial lines lead to the terminal, a file, a socket or nowhere', () => {
    assert.deepEqual(parseSerial('--serial', 'stdio'), { kind: 'stdio' });
    assert.deepEqual(parseSerial('--serial', 'file:a:b'), { kind: 'file', path: 'a:b' });
    assert.deepEqual(parseSerial('--serial', 'unix:/a'), { kind: 'unix', path: '/a' });
    for (const text of ['', 'file:', 'unix', 'pty']) {
      assert.throws(() => parseSerial('--serial', text), UsageError, text);
    }
  });

  it('addresses are a path or a host and port, also as QEMU takes them', () => {
    assert.deepEqual(parseSocketAddress('--qmp', 'unix:/a,b,server=on,wait=off'), { path: '/a,b' });
    assert.deepEqual(parseSocketAddress('--qmp', 'tcp:localhost:4444,server,nowait'), {
      host: 'localhost',
      port: 4444,
    });
    assert.deepEqual(parseSocketAddress('--qmp', 'tcp::4444'), { host: '127.0.0.1', port: 4444 });
    assert.deepEqual(parseSocketAddress('--qmp', 'tcp:[::1]:0'), { host: '::1', port: 0 });
    for (const text of ['unix:', 'tcp:a', 'tcp:a:65536', '/a']) {
      assert.throws(() => parseSocketAddress('--qmp', text), UsageError, text);
    }
  });
});
