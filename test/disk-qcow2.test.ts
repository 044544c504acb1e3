// qcow2 images made here are judged by QEMU's tools, and those made by QEMU's tools are read and written here.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { MirroredDisk, randomNumbers } from '../src/disk/block-device.case.ts';
import { openDisk } from '../src/disk/open.ts';
import { createQcow2, type Qcow2Options } from '../src/disk/qcow2/create.ts';
import { nodeDiskHost } from '../src/host/node/disk-host.ts';
import { NO_QEMU_IMG, runTool, temporaryFolder, tool } from './disk/qemu.ts';

const inFolder = temporaryFolder('qcow2');
const MiB = 1 << 20;

async function create(name: string, options: Qcow2Options): Promise<string> {
  const file = await nodeDiskHost.files.create(inFolder(name));
  await createQcow2(file, options, nodeDiskHost).finally(() => file.close());
  return inFolder(name);
}

/** Makes random requests, then lets QEMU check the image and compare it with what it must contain. */
async function exercise(
  path: string,
  seed: number,
  expected?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const mirrored = new MirroredDisk(await openDisk(path, {}, nodeDiskHost), seed, expected);
  for (let step = 0; step < 150; step++) await mirrored.step();
  await mirrored.disk.close();
  judge(path, mirrored.expected);
  return mirrored.expected;
}

function judge(path: string, expected: Uint8Array): void {
  const { status, output, complaints } = runTool('qemu-img', ['check', path]);
  assert.equal(status, 0, `${output}${complaints}`);
  writeFileSync(`${path}.raw`, expected);
  tool('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', path, `${path}.raw`);
}

/** Random writes, zeros and discards of qemu-io. */
function qemuWrites(path: string, seed: number, expected: Uint8Array, discards = true): void {
  const below = randomNumbers(seed);
  const commands: string[] = [];
  for (let i = 0; i < 60; i++) {
    const length = 512 * (1 + below(below(2) ? 16 : 600));
    const offset = 512 * below((expected.length - length) / 512);
    const byte = 1 + below(255);
    const kind = below(discards ? 6 : 5);
    if (kind === 5) commands.push(`discard ${Math.ceil(offset / 65536) * 65536} 65536`);
    else if (kind === 4) commands.push(`write -z ${offset} ${length}`);
    else commands.push(`write -P ${byte} ${offset} ${length}`);
    if (kind < 5) expected.fill(kind === 4 ? 0 : byte, offset, offset + length);
    else expected.fill(0, Math.ceil(offset / 65536) * 65536, Math.ceil(offset / 65536) * 65536 + 65536);
  }
  tool('qemu-io', '-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), '-d', 'unmap', path);
}

async function read(path: string, expected: Uint8Array<ArrayBuffer>): Promise<void> {
  const disk = await openDisk(path, { readOnly: true }, nodeDiskHost);
  assert.equal(disk.sizeBytes, expected.length);
  await new MirroredDisk(disk, 0, expected).verify();
  await disk.close();
}

const OWN: readonly (readonly [name: string, options: Partial<Qcow2Options>])[] = [
  ['v3', {}],
  ['v2', { version: 2 }],
  ['small', { clusterBytes: 512 }],
  ['large', { clusterBytes: 2 * MiB }],
  ['refcount1', { refcountBits: 1, clusterBytes: 4096 }],
  ['refcount64', { refcountBits: 64, clusterBytes: 512 }],
  ['zstd', { compression: 'zstd' }],
  ['lazy', { lazyRefcounts: true }],
];

describe('qcow2 images made here', { skip: NO_QEMU_IMG }, () => {
  for (const [name, options] of OWN) {
    it(`pass QEMU's check and hold what was written: ${name}`, async () => {
      const path = await create(name, { sizeBytes: 8 * MiB, ...options });
      judge(path, new Uint8Array(8 * MiB));
      await exercise(path, 1);
    });
  }

  it('pass at 8 TiB', async () => {
    const path = await create('huge', { sizeBytes: 2 ** 43 });
    const disk = await openDisk(path, {}, nodeDiskHost);
    await disk.write(2 ** 43 - 512, new Uint8Array(512).fill(5));
    await disk.close();
    assert.equal(runTool('qemu-img', ['check', path]).status, 0);
    assert.match(tool('qemu-io', '-r', '-c', `read -P 5 ${2 ** 43 - 512} 512`, path), /512\/512/);
  });

  it('pass after they were resized', async () => {
    const path = await create('resized', { sizeBytes: 8 * MiB, clusterBytes: 512 });
    const expected = await exercise(path, 2);
    const disk = await openDisk(path, {}, nodeDiskHost);
    for (const size of [3 * MiB, 100 * MiB, 12 * MiB]) await disk.resize(size);
    await disk.close();
    const now = new Uint8Array(12 * MiB);
    now.set(expected.subarray(0, 3 * MiB));
    judge(path, now);
    await exercise(path, 3, now);
  });
});

const THEIRS: readonly (readonly [name: string, options: string])[] = [
  ['v3', 'compat=1.1'],
  ['v2', 'compat=0.10'],
  ['small', 'cluster_size=512'],
  ['large', 'cluster_size=2M'],
  ['refcount1', 'refcount_bits=1,cluster_size=4k'],
  ['refcount64', 'refcount_bits=64,cluster_size=1k'],
  ['zstd', 'compression_type=zstd'],
  ['lazy', 'lazy_refcounts=on'],
  ['metadata', 'preallocation=metadata'],
  ['full', 'preallocation=full'],
];

describe('qcow2 images made by QEMU', { skip: NO_QEMU_IMG }, () => {
  for (const [name, options] of THEIRS) {
    it(`are read and written: ${name}`, async () => {
      const path = inFolder(`their-${name}`);
      tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', options, path, '8M');
      const expected = new Uint8Array(8 * MiB);
      qemuWrites(path, 4, expected, name !== 'large' && name !== 'v2');
      await read(path, expected);
      await exercise(path, 5, expected);
      qemuWrites(path, 6, expected, name !== 'large' && name !== 'v2');
      await read(path, expected);
    });
  }

  for (const compression of ['zlib', 'zstd']) {
    it(`are read and written when compressed by ${compression}`, async () => {
      const path = inFolder(`compressed-${compression}`);
      const below = randomNumbers(7);
      const expected = new Uint8Array(4 * MiB).map((_, i) => (i % 4096 < 2000 ? below(256) : i >> 14));
      writeFileSync(`${path}.source`, expected);
      const options = `compression_type=${compression}`;
      tool('qemu-img', 'convert', '-c', '-O', 'qcow2', '-o', options, `${path}.source`, path);
      await read(path, expected);
      await exercise(path, 8, expected);
    });
  }

  it('are written over a chain of backing files, a shorter and a longer one', async () => {
    const below = randomNumbers(9);
    const base = new Uint8Array(3 * MiB).map(() => below(256));
    writeFileSync(inFolder('base.raw'), base);
    tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', inFolder('middle'), '6M');
    tool('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'middle', '-F', 'qcow2', inFolder('top'), '5M');
    const expected = new Uint8Array(5 * MiB);
    expected.set(base);
    await read(inFolder('top'), expected);
    await exercise(inFolder('top'), 10, expected);
    assert.equal(runTool('qemu-img', ['check', inFolder('middle')]).status, 0);
    const disk = await openDisk(inFolder('top'), {}, nodeDiskHost);
    await disk.resize(2 * MiB);
    await disk.resize(8 * MiB);
    await disk.close();
    const shortened = new Uint8Array(8 * MiB);
    shortened.set(expected.subarray(0, 2 * MiB));
    judge(inFolder('top'), shortened);
  });

  it('keep their snapshots while they are written', async () => {
    const path = inFolder('snapshots');
    tool('qemu-img', 'create', '-q', '-f', 'qcow2', path, '8M');
    const first = new Uint8Array(8 * MiB);
    qemuWrites(path, 11, first);
    tool('qemu-img', 'snapshot', '-c', 'one', path);
    const second = await exercise(path, 12, first.slice());
    tool('qemu-img', 'snapshot', '-c', 'two', path);
    await exercise(path, 13, second.slice());
    tool('qemu-img', 'snapshot', '-a', 'one', path);
    judge(path, first);
    await exercise(path, 14, first.slice());
    tool('qemu-img', 'snapshot', '-a', 'two', path);
    judge(path, second);
  });

  it('keep their bitmaps of changed parts up to date', async () => {
    const path = inFolder('bitmaps');
    tool('qemu-img', 'create', '-q', '-f', 'qcow2', path, '8M');
    tool('qemu-img', 'bitmap', '--add', '-g', '64k', path, 'changes');
    tool('qemu-img', 'bitmap', '--add', '--disable', '-g', '64k', path, 'still');
    const disk = await openDisk(path, {}, nodeDiskHost);
    await disk.write(5 * 65536 + 512, new Uint8Array(65536));
    await disk.discard(20 * 65536, 65536);
    await disk.close();
    const { status, output, complaints } = runTool('qemu-img', ['check', path]);
    assert.equal(status, 0, `${output}${complaints}`);
    const again = await openDisk(path, {}, nodeDiskHost);
    await again.write(9 * 65536, new Uint8Array(512));
    await again.close();
    assert.equal(runTool('qemu-img', ['check', path]).status, 0);
    const info = JSON.parse(tool('qemu-img', 'info', '--output=json', path));
    const found = info['format-specific'].data.bitmaps.map((bitmap: { name: string; flags: string[] }) => [
      bitmap.name,
      bitmap.flags,
    ]);
    assert.deepEqual(found, [
      ['changes', ['auto']],
      ['still', []],
    ]);
    assert.deepEqual(dirtyClusters(path, 'changes'), [5, 6, 9, 20]);
    assert.deepEqual(dirtyClusters(path, 'still'), []);
  });
});

/** The granules of 64 KiB that a bitmap has set, as QEMU's NBD server tells them: parts that it says are no data. */
function dirtyClusters(path: string, bitmap: string): number[] {
  const socket = `${path}.socket`;
  tool('qemu-nbd', '--fork', '--read-only', '-f', 'qcow2', '-B', bitmap, '-k', socket, path);
  const context = `driver=nbd,server.type=unix,server.path=${socket},x-dirty-bitmap=qemu:dirty-bitmap:${bitmap}`;
  const map: { start: number; length: number; data: boolean }[] = JSON.parse(
    tool('qemu-img', 'map', '--output=json', '--image-opts', context),
  );
  const dirty = map.filter(({ data }) => !data);
  return dirty.flatMap(({ start, length }) => Array.from({ length: length / 65536 }, (_, i) => start / 65536 + i));
}
