import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { CliError, STATUS } from './errors.ts';
import { loadNetworkRom } from './network-rom.ts';

const { PATH } = process.env;
const ROM_SIGNATURE = [0x55, 0xaa];
const noApt = spawnSync('apt-get', ['--version']).error !== undefined && 'no apt-get on this host';

describe('the boot ROM of a network card', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vitrine-rom-'));
    process.env.XDG_CACHE_HOME = folder;
  });
  afterEach(() => {
    process.env.PATH = PATH;
    delete process.env.XDG_CACHE_HOME;
    rmSync(folder, { recursive: true });
  });

  it("is this host's where it has one", async () => {
    writeFileSync(join(folder, 'pxe-ne2k_pci.rom'), 'rom');
    assert.equal(new TextDecoder().decode(await loadNetworkRom('ne2k', ['/nowhere', folder])), 'rom');
  });

  it('is fetched from the package source, and kept', { skip: noApt }, async (t) => {
    const rom = await loadNetworkRom('virtio', []).catch((error: Error) => error.message);
    if (typeof rom === 'string') return t.skip(rom);
    assert.deepEqual([...rom.subarray(0, 2)], ROM_SIGNATURE);
    assert.deepEqual(readdirSync(join(folder, 'vitrine')).sort(), ['files', 'ipxe-qemu-pxe-virtio.rom']);
    process.env.PATH = '/nowhere';
    assert.deepEqual(await loadNetworkRom('virtio', []), rom);
  });

  it('is asked for in one line where it cannot be had', async () => {
    process.env.PATH = '/nowhere';
    await assert.rejects(loadNetworkRom('e1000', []), (error: CliError) => {
      assert.match(error.message, /^--boot net: this host has no pxe-e1000\.rom, .*; give one with --option-rom FILE$/);
      assert.equal(error.status, STATUS.missing);
      return error instanceof CliError;
    });
  });
});
