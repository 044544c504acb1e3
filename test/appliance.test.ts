// Appliances (OVA), between `vitrine image` and the tools of their parts: tar, sha256sum, qemu-img.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { NO_QEMU_IMG, temporaryFolder, tool } from './disk/qemu.ts';
import { projectRoot } from './source-files.ts';

const inFolder = temporaryFolder('appliance');
const vitrine = join(projectRoot, 'bin/vitrine');

function image(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitrine, 'image', ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Packs files into an archive, in their order. */
function pack(name: string, folder: string, ...files: readonly string[]): string {
  const path = inFolder(name);
  tool('tar', '--format=ustar', '-C', folder, '-cf', path, ...files);
  return path;
}

/** Two disks have the same size and content. */
function same(one: string, other: string): void {
  assert.equal(tool('qemu-img', 'compare', one, other), 'Images are identical.\n');
}

describe('an appliance', { skip: NO_QEMU_IMG }, () => {
  const ova = inFolder('machine.ova');
  const unpacked = inFolder('unpacked');

  before(() => {
    tool('qemu-img', 'create', '-q', '-f', 'qcow2', inFolder('first.qcow2'), '40M');
    tool('qemu-io', '-f', 'qcow2', '-c', 'write -P 5 1M 3M', '-c', 'write -P 9 39M 1M', inFolder('first.qcow2'));
    tool('qemu-img', 'create', '-q', '-f', 'raw', inFolder('second.raw'), '7M');
    tool('qemu-io', '-f', 'raw', '-c', 'write -P 3 70k 100k', inFolder('second.raw'));
    const words = [
      '--memory',
      '1G',
      '--cpus',
      '2',
      '--bus',
      'ahci',
      '--net',
      'virtio',
      '--disk',
      inFolder('second.raw'),
    ];
    assert.deepEqual(image('export', ...words, inFolder('first.qcow2'), ova), { status: 0, stdout: '', stderr: '' });
    mkdirSync(unpacked);
    tool('tar', '-xf', ova, '-C', unpacked);
  });

  it('is an archive of descriptor, manifest and disks, which other tools read', () => {
    assert.equal(tool('tar', '-tf', ova), 'machine.ovf\nmachine.mf\nmachine-disk1.vmdk\nmachine-disk2.vmdk\n');
    const sums = readFileSync(join(unpacked, 'machine.mf'), 'latin1').replaceAll(/^SHA256\((.*)\)= (.*)$/gm, '$2  $1');
    const check = spawnSync('sha256sum', ['-c', '--strict'], { cwd: unpacked, input: sums, encoding: 'utf8' });
    assert.equal(check.status, 0, check.stdout + check.stderr);
    same(join(unpacked, 'machine-disk1.vmdk'), inFolder('first.qcow2'));
    same(join(unpacked, 'machine-disk2.vmdk'), inFolder('second.raw'));
  });

  for (const [what, path] of [
    ['from the archive', ova],
    ['from its descriptor', join(unpacked, 'machine.ovf')],
  ] as const) {
    it(`becomes disks again, and the words to run them: ${what}`, () => {
      const folder = inFolder(`imported ${what}`);
      mkdirSync(folder);
      const { status, stdout, stderr } = image('import', '--folder', folder, path);
      assert.deepEqual([status, stderr], [0, '']);
      const [one, two] = [1, 2].map((number) => join(folder, `machine-disk${number}.qcow2`));
      assert.equal(
        stdout,
        `vitrine run --memory 1024M --cpus 2 --disk '${one}',bus=ahci --disk '${two}',bus=ahci --net user,model=virtio\n`,
      );
      same(one, inFolder('first.qcow2'));
      same(two, inFolder('second.raw'));
      const again = image('import', '--folder', folder, path);
      assert.deepEqual([again.status, again.stderr], [1, `vitrine: ${one} is there already\n`]);
    });
  }

  /** A changed appliance is refused in one line, and leaves nothing. */
  function refused(path: string, why: RegExp): void {
    const folder = inFolder('refused');
    mkdirSync(folder, { recursive: true });
    const { status, stdout, stderr } = image('import', '--folder', folder, path);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^vitrine: [^\n]+\n$/);
    assert.match(stderr, why);
    assert.deepEqual(readdirSync(folder), []);
  }

  /** The unpacked appliance with other texts. */
  function altered(name: string, change: (ovf: string, manifest: string) => readonly [ovf: string, manifest?: string]) {
    const folder = inFolder(name);
    mkdirSync(folder);
    const read = (file: string) => readFileSync(join(unpacked, file), 'utf8');
    const [ovf, manifest] = change(read('machine.ovf'), read('machine.mf'));
    writeFileSync(join(folder, 'machine.ovf'), ovf);
    if (manifest !== undefined) writeFileSync(join(folder, 'machine.mf'), manifest);
    for (const disk of [1, 2]) {
      writeFileSync(join(folder, `machine-disk${disk}.vmdk`), readFileSync(join(unpacked, `machine-disk${disk}.vmdk`)));
    }
    return join(folder, 'machine.ovf');
  }

  it('that was changed, or whose manifest is wrong, is refused', () => {
    refused(
      altered('changed', (ovf, manifest) => [`${ovf} `, manifest]),
      /differs from what machine\.mf says/,
    );
    refused(
      altered('missing', (ovf, manifest) => [ovf, manifest.replace(/.*disk2.*\n/, '')]),
      /"machine-disk2\.vmdk" is not in it/,
    );
    refused(
      altered('odd', (ovf) => [ovf, 'MD5(a)= 00\n']),
      /machine\.mf: found "MD5/,
    );
  });

  it('that names files outside is refused', () => {
    const secret = inFolder('secret.vmdk');
    writeFileSync(secret, readFileSync(join(unpacked, 'machine-disk1.vmdk')));
    for (const [index, name] of [secret, '../secret.vmdk', '..', 'nowhere.vmdk'].entries()) {
      refused(
        altered(`outside-${index}`, (ovf) => [ovf.replace('machine-disk1.vmdk', name)]),
        /names without folders|it has no file/,
      );
    }
    const folder = inFolder('traversal');
    mkdirSync(join(folder, 'inner'), { recursive: true });
    writeFileSync(join(folder, 'a.ovf'), readFileSync(join(unpacked, 'machine.ovf')));
    refused(pack('a.ova', join(folder, 'inner'), '-P', '../a.ovf'), /names without folders/);
    tool('ln', '-s', '/etc/passwd', join(folder, 'link.vmdk'));
    refused(pack('link.ova', folder, 'a.ovf', 'link.vmdk'), /"link\.vmdk" is no file/);
  });

  it('with a disk that lies on a file of the host is refused', () => {
    const flat = `# Disk DescriptorFile\nversion=1\nCID=ffffffff\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/hostname" 0\n`;
    const path = altered('flat', (ovf) => [ovf]);
    writeFileSync(path.replace('.ovf', '-disk1.vmdk'), flat);
    refused(path, /names without folders/);
  });

  it('with a disk larger than it says, one that is cut off, or none of a known kind is refused', () => {
    refused(
      altered('small', (ovf) => [ovf.replace('ovf:capacity="41943040"', 'ovf:capacity="1048576"')]),
      /its disk has 40M, and 1M in the descriptor/,
    );
    const path = altered('cut', (ovf) => [ovf]);
    writeFileSync(
      path.replace('.ovf', '-disk2.vmdk'),
      readFileSync(join(unpacked, 'machine-disk2.vmdk')).subarray(0, 700),
    );
    refused(path, /machine-disk2\.vmdk/);
    const bytes = readFileSync(ova);
    writeFileSync(inFolder('cut.ova'), bytes.subarray(0, bytes.length - 20_000));
    refused(inFolder('cut.ova'), /is cut off/);
    assert.ok(existsSync(ova));
  });
});
