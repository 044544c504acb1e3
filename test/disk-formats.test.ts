// Images of other programs' formats, between this project and QEMU's tools in both directions.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { MirroredDisk, randomNumbers } from '../src/disk/block-device.case.ts';
import type { ImageFile } from '../src/disk/interfaces.ts';
import { openDisk } from '../src/disk/open.ts';
import { createVdi } from '../src/disk/vdi.ts';
import { createVhd } from '../src/disk/vhd.ts';
import { createVhdx } from '../src/disk/vhdx/vhdx.ts';
import { createVmdk } from '../src/disk/vmdk/vmdk.ts';
import { nodeDiskHost } from '../src/host/node/disk-host.ts';
import { NO_QEMU_IMG, runTool, temporaryFolder, tool } from './disk/qemu.ts';

const inFolder = temporaryFolder('formats');
const SIZE = 9 << 20;
const host = nodeDiskHost;

/** QEMU finds the same content; formats that it can check are in order. */
function judge(path: string, format: string, expected: Uint8Array): void {
  writeFileSync(`${path}.raw`, expected);
  tool('qemu-img', 'compare', '-f', format, '-F', 'raw', path, `${path}.raw`);
  const { status, output, complaints } = runTool('qemu-img', ['check', '-f', format, path]);
  assert.ok(status === 0 || status === 63, `${output}${complaints}`);
}

async function exercise(path: string, format: string, seed: number, expected?: Uint8Array<ArrayBuffer>) {
  const mirrored = new MirroredDisk(await openDisk(path, {}, host), seed, expected);
  assert.equal(mirrored.disk.driver.format, format);
  await mirrored.verify();
  for (let step = 0; step < 100; step++) await mirrored.step();
  await mirrored.disk.close();
  judge(path, format, mirrored.expected);
  return mirrored.expected;
}

/** Random writes of qemu-io. */
function qemuWrites(path: string, format: string, seed: number, expected: Uint8Array): void {
  const below = randomNumbers(seed);
  const commands: string[] = [];
  for (let i = 0; i < 40; i++) {
    const length = 512 * (1 + below(300));
    const offset = 512 * below((expected.length - length) / 512);
    const byte = 1 + below(255);
    commands.push('-c', `write -P ${byte} ${offset} ${length}`);
    expected.fill(byte, offset, offset + length);
  }
  tool('qemu-io', '-f', format, ...commands, path);
}

const OWN: readonly (readonly [name: string, format: string, create: (file: ImageFile) => Promise<void>])[] = [
  ['vdi', 'vdi', (file) => createVdi(file, { sizeBytes: SIZE }, host)],
  ['fixed vdi', 'vdi', (file) => createVdi(file, { sizeBytes: SIZE, fixed: true }, host)],
  ['vhd', 'vpc', (file) => createVhd(file, { sizeBytes: SIZE }, host)],
  ['vhdx', 'vhdx', (file) => createVhdx(file, { sizeBytes: SIZE }, host)],
  ['fixed vhdx', 'vhdx', (file) => createVhdx(file, { sizeBytes: SIZE, fixed: true }, host)],
  ['vmdk', 'vmdk', (file) => createVmdk(file, { sizeBytes: SIZE }, host)],
  ['flat vmdk', 'vmdk', (file) => createVmdk(file, { sizeBytes: SIZE, kind: 'monolithicFlat' }, host)],
];

describe('images made here', { skip: NO_QEMU_IMG }, () => {
  for (const [name, format, create] of OWN) {
    it(`are read and written by QEMU: ${name}`, async () => {
      const path = inFolder(`own ${name}.vmdk`);
      const file = await host.files.create(path);
      await create(file).finally(() => file.close());
      const expected = await exercise(path, format, 1);
      qemuWrites(path, format, 2, expected);
      await exercise(path, format, 3, expected);
    });
  }

  it('are read by QEMU: fixed vhd', async () => {
    const path = inFolder('fixed.vhd');
    const file = await host.files.create(path);
    await createVhd(file, { sizeBytes: SIZE, fixed: true }, host).finally(() => file.close());
    const mirrored = new MirroredDisk(await openDisk(path, { format: 'vpc' }, host), 4);
    for (let step = 0; step < 100; step++) await mirrored.step();
    await mirrored.disk.close();
    judge(path, 'vpc', mirrored.expected);
  });
});

const THEIRS: readonly (readonly [format: string, options: string])[] = [
  ['vdi', 'static=off'],
  ['vdi', 'static=on'],
  ['vpc', 'subformat=dynamic,force_size=on'],
  ['vpc', 'subformat=dynamic'],
  ['vhdx', 'subformat=dynamic,block_size=1M'],
  ['vhdx', 'subformat=fixed'],
  ['vmdk', 'subformat=monolithicSparse'],
  ['vmdk', 'subformat=monolithicFlat'],
  ['vmdk', 'subformat=twoGbMaxExtentFlat'],
];

describe('images made by QEMU', { skip: NO_QEMU_IMG }, () => {
  for (const [i, [format, options]] of THEIRS.entries()) {
    it(`are read and written: ${format}, ${options}`, async () => {
      const path = inFolder(`their-${i}.${format}`);
      tool('qemu-img', 'create', '-q', '-f', format, '-o', options, path, '9M');
      const size = Number(JSON.parse(tool('qemu-img', 'info', '-f', format, '--output=json', path))['virtual-size']);
      const expected = new Uint8Array(size);
      qemuWrites(path, format, 5, expected);
      const now = await exercise(path, format, 6, expected);
      qemuWrites(path, format, 7, now);
      await exercise(path, format, 8, now);
    });
  }

  for (const [format, options] of [
    ['vmdk', 'subformat=streamOptimized'],
    ['vpc', 'subformat=fixed,force_size=on'],
  ] as const) {
    it(`are read: ${format}, ${options}`, async () => {
      const path = inFolder(`read.${format}`);
      const below = randomNumbers(9);
      const expected = new Uint8Array(SIZE).map((_, i) => (i % 300_000 < 200_000 ? below(256) : 0));
      writeFileSync(`${path}.raw`, expected);
      tool('qemu-img', 'convert', '-f', 'raw', '-O', format, '-o', options, `${path}.raw`, path);
      const disk = await openDisk(path, { format, readOnly: true }, host);
      await new MirroredDisk(disk, 0, expected).verify();
      await disk.close();
    });
  }

  it('are read and written over a vmdk parent', async () => {
    const expected = new Uint8Array(SIZE);
    tool('qemu-img', 'create', '-q', '-f', 'vmdk', inFolder('parent.vmdk'), '9M');
    qemuWrites(inFolder('parent.vmdk'), 'vmdk', 10, expected);
    tool('qemu-img', 'create', '-q', '-f', 'vmdk', '-b', 'parent.vmdk', '-F', 'vmdk', inFolder('child.vmdk'));
    await exercise(inFolder('child.vmdk'), 'vmdk', 11, expected);
  });
});
