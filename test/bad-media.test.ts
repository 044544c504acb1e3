import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { projectRoot } from './source-files.ts';

const TIMEOUT_MILLIS = 120_000;
const SECTOR_BYTES = 512;
const CD_BLOCK_BYTES = 2048;
const CATALOG_BLOCK = 19;

const zeros = (bytes: number) => new Uint8Array(bytes);

/** The beginning of a CD whose boot image, of which nothing is there, lies behind its end. */
function truncatedCd(): Uint8Array {
  const cd = zeros((CATALOG_BLOCK + 1) * CD_BLOCK_BYTES);
  const catalog = CATALOG_BLOCK * CD_BLOCK_BYTES;
  cd.set(Buffer.from('\0CD001\x01EL TORITO SPECIFICATION'), 17 * CD_BLOCK_BYTES);
  cd[17 * CD_BLOCK_BYTES + 0x47] = CATALOG_BLOCK;
  cd.set([1], catalog);
  cd.set([0xaa, 0x55, 0x55, 0xaa], catalog + 0x1c);
  cd.set([0x88, 0, 0, 0, 0, 0, 4, 0, 100], catalog + 0x20);
  return cd;
}

/** A disk whose boot sector ends the run with 48h. */
function bootable(bytes: number): Uint8Array {
  const disk = zeros(bytes);
  const code = Buffer.from([0xb0, 0x48, 0xba, 0x01, 0x05, 0xee]);
  disk.set(code); // mov al, 48h; mov dx, 501h; out dx, al
  disk.set([0x55, 0xaa], SECTOR_BYTES - 2);
  return disk;
}

describe('media that cannot be booted', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-media-'));
  after(() => rmSync(folder, { recursive: true }));

  function put(name: string, content: Uint8Array): string {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  }

  /** Starts a machine and reads its screen, which is COM1 here, until it has shown something. */
  async function screenOf(args: readonly string[], wanted: RegExp): Promise<string> {
    const program = [join(projectRoot, 'bin/vitrine'), 'run', '--memory', '32M', '--debug-exit', '0x501', ...args];
    const child = spawn(process.execPath, program, { stdio: ['pipe', 'pipe', 'inherit'] });
    const killer = setTimeout(() => child.kill(), TIMEOUT_MILLIS);
    let screen = '';
    child.stdout.on('data', (text: Buffer) => {
      screen += text;
      if (wanted.test(screen)) child.kill();
    });
    await once(child, 'exit');
    clearTimeout(killer);
    return screen;
  }

  const told: [what: string, option: string, content: Uint8Array, message: RegExp][] = [
    ['a disk of zeros', '--disk', zeros(1 << 20), /Boot failed: not a bootable disk/],
    ['a floppy without a boot sector', '--floppy', zeros(1440 << 10), /Boot failed: not a bootable disk/],
    ['a CD without a boot record', '--cdrom', zeros(100 * CD_BLOCK_BYTES), /Boot failed: the CD is not bootable/],
    ['a truncated CD', '--cdrom', truncatedCd(), /Boot failed: could not read the boot disk/],
  ];
  for (const [what, option, content, message] of told) {
    it(`${what} is told on the screen and left as it is`, { timeout: 2 * TIMEOUT_MILLIS }, async () => {
      const path = put(what.replaceAll(' ', '-'), content);
      const value = option === '--disk' ? `${path},format=raw` : path;
      assert.match(await screenOf([option, value, '--boot', option.slice(2).replace('rom', '')], message), message);
      assert.deepEqual(readFileSync(path), Buffer.from(content));
    });
  }

  it('a disk that ends within a sector boots, and keeps its size', () => {
    const path = put('odd', bootable((1 << 20) + 100));
    const options = ['--memory', '32M', '--debug-exit', '0x501', '--disk', `${path},format=raw`];
    const { status } = spawnSync(process.execPath, [join(projectRoot, 'bin/vitrine'), 'run', ...options], {
      timeout: TIMEOUT_MILLIS,
    });
    assert.equal(status, (0x48 << 1) | 1);
    assert.equal(statSync(path).size, (1 << 20) + 100);
  });

  it('a file without permission is one line', (t) => {
    if (process.getuid?.() === 0) return t.skip('root may read every file');
    const path = put('secret', zeros(SECTOR_BYTES));
    const { status, stderr } = spawnSync('sh', [
      '-c',
      `chmod 0 ${path}; exec ${process.execPath} ${join(projectRoot, 'bin/vitrine')} run --cdrom ${path}`,
    ]);
    assert.equal(status, 1);
    assert.match(
      String(stderr),
      /^vitrine: --cdrom: found ".*secret", a file without permission to read it, expected .*\n$/,
    );
  });

  it('a folder that is no medium of that kind is one line', () => {
    mkdirSync(join(folder, 'firmware'));
    const program = [join(projectRoot, 'bin/vitrine'), 'run', '--firmware', join(folder, 'firmware')];
    const { status, stderr } = spawnSync(process.execPath, program);
    assert.equal(status, 1);
    assert.match(String(stderr), /^vitrine: --firmware: found ".*firmware", a directory, expected a readable file\n$/);
  });
});
