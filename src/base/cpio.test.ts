import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type CpioEntry, FILE_TYPE, packCpio } from './cpio.ts';

const text = (content: string) => new TextEncoder().encode(content);
const ENTRIES: CpioEntry[] = [
  { path: 'etc', mode: FILE_TYPE.folder | 0o755 },
  { path: 'etc/motd', mode: FILE_TYPE.file | 0o640, data: text('hello') },
  { path: 'init', mode: FILE_TYPE.symbolicLink | 0o777, data: text('etc/motd') },
];
const CONSOLE: CpioEntry = {
  path: 'console',
  mode: FILE_TYPE.characterDevice | 0o600,
  device: { major: 5, minor: 1 },
};

/** A program that unpacks cpio archives, told to do what its options say, or undefined where there is none. */
const CPIO = [['cpio'], ['busybox', 'cpio']].find(([program = '', ...args]) => {
  const { error, stderr } = spawnSync(program, [...args, '--help'], { encoding: 'utf8' });
  return error === undefined && !stderr.includes('not found');
});

describe('packCpio', () => {
  it('writes the header, the name and the content, aligned to four bytes', () => {
    const archive = packCpio([{ path: 'ab', mode: 0o100644, data: text('xyz') }]);
    const header =
      '070701' +
      ['00000001', '000081a4', '00000000', '00000000', '00000001', '00000000', '00000003'].join('') +
      ['00000000', '00000000', '00000000', '00000000', '00000003', '00000000'].join('');
    assert.equal(new TextDecoder().decode(archive.subarray(0, 120)), `${header}ab\0\0\0\0xyz\0`);
    assert.equal(archive.length % 4, 0);
  });

  it('ends with the trailer', () => {
    const end = new TextDecoder().decode(packCpio([])).replace(/\0+$/, '');
    assert.match(end, /^070701.*TRAILER!!!$/);
  });

  it('says which device a device file stands for', () => {
    const header = new TextDecoder().decode(packCpio([CONSOLE]).subarray(0, 110));
    assert.equal(header.slice(78, 94), '0000000500000001');
  });

  it('gives the same bytes for the same entries', () => {
    assert.deepEqual(packCpio(ENTRIES), packCpio(ENTRIES));
  });

  it('is understood by the real cpio', { skip: CPIO === undefined && 'no cpio on this host' }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-cpio-'));
    try {
      const [program = '', ...args] = CPIO ?? [];
      const options = { cwd: folder, input: packCpio(ENTRIES) };
      assert.equal(spawnSync(program, [...args, '-i', '-d'], options).status, 0);
      assert.equal(readFileSync(join(folder, 'etc/motd'), 'utf8'), 'hello');
      assert.equal(statSync(join(folder, 'etc/motd')).mode, FILE_TYPE.file | 0o640);
      assert.equal(readlinkSync(join(folder, 'init')), 'etc/motd');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
