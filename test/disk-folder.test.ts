// Images made from folders, judged by the tools of those file systems.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { copyDisk } from '../src/disk/copy.ts';
import { makeFat } from '../src/disk/folder/fat.ts';
import { makeIso } from '../src/disk/folder/iso9660.ts';
import { makeSeed } from '../src/disk/folder/seed.ts';
import type { ImageDriver } from '../src/disk/interfaces.ts';
import { RawImage } from '../src/disk/raw.ts';
import { nodeDiskHost } from '../src/host/node/disk-host.ts';
import { readFolderTree } from '../src/host/node/folder-tree.ts';
import { temporaryFolder, tool } from './disk/qemu.ts';

const inFolder = temporaryFolder('folder');
const CREATED = Date.UTC(2024, 1, 29, 12, 30, 5);

function lacks(...tools: readonly string[]): string | false {
  const missing = tools.find((name) => spawnSync('which', [name]).status !== 0);
  return missing === undefined ? false : `${missing} is absent`;
}

/** A folder with what is hard to keep: long and odd names, depth, links, permissions, sizes around sectors. */
function makeFolder(name: string): string {
  const folder = inFolder(name);
  mkdirSync(join(folder, 'deep/er/and/deeper'), { recursive: true });
  mkdirSync(join(folder, 'many'));
  mkdirSync(join(folder, 'empty folder'));
  for (const size of [0, 1, 2047, 2048, 2049, 100_000]) {
    writeFileSync(join(folder, `size-${size}`), Buffer.alloc(size, `content of ${size} `));
  }
  for (let i = 0; i < 120; i++) writeFileSync(join(folder, 'many', `file number ${i} with a name.text`), `${i}`);
  writeFileSync(join(folder, 'UPPER.TXT'), 'upper');
  writeFileSync(join(folder, 'Ünïcödé ☃.txt'), 'snow');
  writeFileSync(join(folder, `${'long '.repeat(40)}name`), 'long');
  writeFileSync(join(folder, 'deep/er/and/deeper/leaf'), 'leaf');
  writeFileSync(join(folder, 'script.sh'), '#!/bin/sh\n');
  chmodSync(join(folder, 'script.sh'), 0o751);
  utimesSync(join(folder, 'script.sh'), CREATED / 1000, CREATED / 1000);
  return folder;
}

async function write(image: ImageDriver, name: string): Promise<string> {
  const path = inFolder(name);
  const file = await nodeDiskHost.files.create(path);
  await file.truncate(image.sizeBytes);
  const target = new RawImage(file);
  await copyDisk(image, target, { targetIsZero: true });
  await target.close();
  return path;
}

describe('a disc made from a folder', { skip: lacks('xorriso', 'isoinfo') }, () => {
  it('gives back everything by Rock Ridge', async () => {
    const folder = makeFolder('rock');
    symlinkSync('../deep/./er/../er', join(folder, 'many/link'));
    symlinkSync(`/${'very/long/target/'.repeat(30)}end`, join(folder, 'far'));
    const iso = await write(
      makeIso(await readFolderTree(folder), { label: 'ROCK', createdMillis: CREATED }),
      'rock.iso',
    );
    tool('xorriso', '-osirrox', 'on', '-indev', iso, '-extract', '/', inFolder('rock-back'));
    tool('diff', '-r', '--no-dereference', folder, inFolder('rock-back'));
    // xorriso does not give links their times back.
    const list = (path: string) =>
      tool('find', path, '-type', 'l', '-printf', '%P %m %l\n', '-o', '-printf', '%P %m %Ts\n')
        .split('\n')
        .filter((line) => !/^ |^\d/.test(line));
    assert.deepEqual(list(inFolder('rock-back')).sort(), list(folder).sort());
  });

  it('has its names in Joliet too, and short ones for the oldest systems', async () => {
    const folder = makeFolder('joliet');
    const iso = await write(
      makeIso(await readFolderTree(folder), { label: 'JOLIET', createdMillis: CREATED }),
      'joliet.iso',
    );
    const joliet = tool('isoinfo', '-J', '-f', '-i', iso);
    assert.match(joliet, /^\/many\/file number 77 with a name\.text$/m);
    assert.match(joliet, /^\/deep\/er\/and\/deeper\/leaf$/m);
    assert.equal(
      tool('isoinfo', '-J', '-i', iso, '-x', '/size-100000'),
      readFileSync(join(folder, 'size-100000'), 'utf8'),
    );
    const plain = tool('isoinfo', '-f', '-i', iso);
    assert.match(plain, /^\/MANY\/FILE_N99\.TEX;1$/m);
    for (const line of plain.trim().split('\n')) {
      assert.match(line.replace(/.*\//, ''), /^[A-Z0-9_]{1,8}(\.[A-Z0-9_]{0,3};1)?$/);
    }
    assert.match(tool('isoinfo', '-d', '-i', iso), /Volume id: JOLIET\n[\s\S]*Joliet with UCS level 3 found/);
  });

  it('is the seed that cloud-init looks for', async () => {
    const userData = '#cloud-config\npassword: x\n';
    const image = makeSeed({
      userData,
      sshKeys: ['ssh-ed25519 AAAA me'],
      hostName: 'guest',
      instanceId: 'i-1',
      createdMillis: CREATED,
    });
    const iso = await write(image, 'seed.iso');
    assert.match(tool('isoinfo', '-d', '-i', iso), /Volume id: cidata\n/);
    assert.equal(tool('isoinfo', '-R', '-i', iso, '-x', '/user-data'), userData);
    const metaData = JSON.parse(tool('isoinfo', '-R', '-i', iso, '-x', '/meta-data'));
    assert.deepEqual(metaData, {
      'instance-id': 'i-1',
      'local-hostname': 'guest',
      'public-keys': ['ssh-ed25519 AAAA me'],
    });
  });
});

describe('a FAT disk made from a folder', { skip: lacks('mcopy', 'fsck.fat') }, () => {
  const sizes: readonly (readonly [name: string, sizeBytes: number, partitioned: boolean])[] = [
    ['a floppy of 720 KiB', 720 << 10, false],
    ['a floppy of 1.44 MB', 1440 << 10, false],
    ['a floppy of 2.88 MB', 2880 << 10, false],
    ['FAT12', 4 << 20, false],
    ['FAT16', 32 << 20, false],
    ['FAT32', 300 << 20, false],
    ['FAT16 in a partition', 64 << 20, true],
    ['FAT32 in a partition', 320 << 20, true],
  ];
  for (const [name, sizeBytes, partitioned] of sizes) {
    it(`gives back everything: ${name}`, async () => {
      const folder = makeFolder(`fat ${name}`);
      symlinkSync('leaf', join(folder, 'deep/link'));
      const image = makeFat(await readFolderTree(folder), {
        sizeBytes,
        label: 'FOLDER',
        createdMillis: CREATED,
        partitioned,
      });
      const path = await write(image, `${name}.img`);
      const start = partitioned ? 63 * 512 : 0;
      const volume = partitioned ? inFolder('volume') : path;
      if (partitioned) tool('dd', `if=${path}`, `of=${volume}`, 'bs=512', 'skip=63', 'status=none', 'conv=sparse');
      tool('fsck.fat', '-n', volume);
      const back = inFolder(`back ${name}`);
      mkdirSync(back);
      const env = { ...process.env, MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null', LC_ALL: 'C.UTF-8' };
      const copied = spawnSync('mcopy', ['-s', '-n', '-m', '-i', `${path}@@${start}`, '::*', back], {
        encoding: 'utf8',
        env,
      });
      assert.equal(copied.status, 0, copied.stderr);
      const different = spawnSync('diff', ['-r', '--exclude', 'link', folder, back], { encoding: 'utf8' });
      assert.equal(different.stdout, '');
    });
  }

  it('refuses what does not fit', async () => {
    const folder = inFolder('large');
    mkdirSync(folder);
    writeFileSync(join(folder, 'file'), Buffer.alloc(2 << 20));
    const tree = await readFolderTree(folder);
    const options = { sizeBytes: 1440 << 10, label: 'X', createdMillis: CREATED };
    assert.throws(() => makeFat(tree, options), /the folder does not fit into 1474560 bytes/);
  });
});
