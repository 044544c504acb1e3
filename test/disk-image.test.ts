// `vitrine image` beside qemu-img: the same words, the same results.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { randomNumbers } from '../src/disk/block-device.case.ts';
import { NO_QEMU_IMG, temporaryFolder } from './disk/qemu.ts';
import { projectRoot } from './source-files.ts';

const inFolder = temporaryFolder('image');
const vitrine = join(projectRoot, 'bin/vitrine');
const MiB = 1 << 20;

interface Result {
  readonly status: number | null;
  readonly output: string;
  readonly complaints: string;
}

function run(command: string, args: readonly string[], cwd: string): Result {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return { status, output: stdout, complaints: stderr };
}

const image = (cwd: string, ...args: readonly string[]) => run(process.execPath, [vitrine, 'image', ...args], cwd);

function qemu(cwd: string, ...args: readonly string[]): string {
  const { status, output, complaints } = run('qemu-img', args, cwd);
  assert.equal(status, 0, complaints);
  return output;
}

/** A folder with a few images that QEMU made. */
function makeImages(name: string): string {
  const folder = inFolder(name);
  mkdirSync(folder);
  const below = randomNumbers(1);
  const content = new Uint8Array(6 * MiB).map((_, i) => (i % (2 * MiB) < 700_000 ? below(256) : 0));
  writeFileSync(join(folder, 'raw'), content);
  qemu(folder, 'convert', '-f', 'raw', '-O', 'qcow2', 'raw', 'base');
  qemu(folder, 'snapshot', '-c', 'before', 'base');
  qemu(folder, 'create', '-q', '-f', 'qcow2', '-b', 'base', '-F', 'qcow2', 'top', '7M');
  run('qemu-io', ['-c', 'write -P 7 1M 200k', '-c', 'write -z 2M 64k', 'top'], folder);
  qemu(folder, 'convert', '-O', 'vmdk', 'base', 'disk.vmdk');
  return folder;
}

/** Both programs do the same in equal folders, and say the same. */
function expectSame(name: string, ...commands: readonly (readonly string[])[]): void {
  const [ours, theirs] = [makeImages(`${name}-ours`), inFolder(`${name}-theirs`)];
  cpSync(ours, theirs, { recursive: true });
  for (const args of commands) {
    const found = image(ours, ...args);
    const expected = run('qemu-img', args, theirs);
    assert.equal(found.status, expected.status, `${args.join(' ')}: ${found.complaints}`);
    assert.deepEqual(comparable(found.output), comparable(expected.output), args.join(' '));
  }
  for (const file of ['base', 'top', 'raw', 'made'].filter((one) => existsSync(join(theirs, one)))) {
    qemu(ours, 'compare', file, join(theirs, file));
  }
}

/** What does not depend on how full the file is or on the order of names. */
function comparable(output: string): unknown {
  if (/^[[{]/.test(output)) {
    return JSON.parse(output, (key, value) => (key === 'actual-size' ? undefined : value));
  }
  const lines = output.split('\n').filter((line) => !line.startsWith('disk size:'));
  return lines.map((line) => line.replace(/3\.1[23]%/, '3.12%'));
}

describe('vitrine image does as qemu-img', { skip: NO_QEMU_IMG }, () => {
  it('info', () => {
    const json = ['info', '--backing-chain', '--output', 'json', 'top'];
    expectSame(
      'info',
      ['info', 'base'],
      ['info', 'top'],
      ['info', '-f', 'raw', 'raw'],
      ['info', '--backing-chain', 'top'],
      json,
    );
  });

  it('snapshot -l and check', () => {
    expectSame(
      'check',
      ['snapshot', '-l', 'base'],
      ['check', 'base'],
      ['check', '--output', 'json', 'top'],
      ['check', 'raw'],
    );
  });

  it('compare', () => {
    expectSame(
      'compare',
      ['compare', 'base', 'raw'],
      ['compare', 'base', 'top'],
      ['compare', '-s', 'base', 'top'],
      ['compare', 'raw', 'none'],
    );
  });

  it('map', () => {
    expectSame('map', ['map', 'base'], ['map', 'top']);
  });

  it('resize', () => {
    expectSame(
      'resize',
      ['resize', 'top', '+2M'],
      ['resize', 'top', '1M'],
      ['resize', '--shrink', 'top', '3M'],
      ['resize', '-f', 'raw', 'raw', '9M'],
    );
  });

  it('commit', () => {
    expectSame(
      'commit',
      ['commit', 'top'],
      ['compare', 'top', 'base'],
      ['check', '-q', 'top'],
      ['check', '-q', 'base'],
    );
  });

  it('commit -d', () => {
    expectSame('commit-d', ['commit', '-d', 'top'], ['map', 'top']);
  });

  it('rebase', () => {
    expectSame(
      'rebase',
      ['convert', '-O', 'qcow2', 'disk.vmdk', 'made'],
      ['rebase', '-b', 'made', '-F', 'qcow2', 'top'],
      ['check', 'top'],
    );
  });

  it('rebase to nothing, and by name alone', () => {
    expectSame(
      'flatten',
      ['rebase', '-b', '', 'top'],
      ['check', 'top'],
      ['rebase', '-u', '-b', 'raw', '-F', 'raw', 'top'],
    );
  });

  const targets = [
    ['-O', 'raw'],
    ['-O', 'qcow2'],
    ['-c', '-O', 'qcow2'],
    ['-c', '-O', 'qcow2', '-o', 'compression_type=zstd,cluster_size=4k'],
    ['-O', 'vmdk'],
    ['-O', 'vmdk', '-o', 'subformat=streamOptimized'],
    ['-O', 'vdi'],
    ['-O', 'vpc', '-o', 'force_size=on'],
    ['-l', 'before', '-O', 'qcow2'],
  ];
  it('convert', () => {
    expectSame(
      'convert',
      ...targets.flatMap((target) => [
        ['convert', ...target, 'base', 'made'],
        ['compare', 'made', 'base'],
      ]),
    );
  });

  it('convert into an image that is there', () => {
    expectSame('no-create', ['convert', '-n', '-O', 'qcow2', 'disk.vmdk', 'top'], ['compare', 'top', 'base']);
  });

  it('convert -c packs clusters as tightly', () => {
    const folder = makeImages('packed');
    writeFileSync(join(folder, 'text'), 'all work and no play '.repeat(200_000));
    image(folder, 'convert', '-c', '-O', 'qcow2', 'text', 'ours');
    qemu(folder, 'convert', '-c', '-O', 'qcow2', 'text', 'theirs');
    qemu(folder, 'check', 'ours');
    const end = (name: string) => JSON.parse(qemu(folder, 'check', '--output=json', name))['image-end-offset'];
    assert.ok(end('ours') <= end('theirs') * 1.1, `${end('ours')} against ${end('theirs')}`);
  });
});

describe('vitrine image check', { skip: NO_QEMU_IMG }, () => {
  it('finds and repairs leaks with status 3, and worse with status 2', () => {
    const folder = makeImages('repair');
    const damage = (command: string) =>
      assert.equal(run('qemu-io', ['-f', 'raw', '-c', command, 'base'], folder).status, 0);
    damage('write -P 1 131872 2');
    assert.equal(image(folder, 'check', 'base').status, 3);
    assert.match(image(folder, 'check', '-r', 'leaks', 'base').output, /1 leaked clusters\n {4}0 corruptions/);
    assert.equal(image(folder, 'check', 'base').status, 0);
    damage('write -P 0 131072 40');
    assert.equal(image(folder, 'check', '-q', 'base').status, 2);
    assert.equal(image(folder, 'check', '-r', 'all', 'base').status, 0);
    qemu(folder, 'check', 'base');
    qemu(folder, 'compare', 'base', 'raw');
  });

  it('makes a lost block of refcounts anew', () => {
    const folder = makeImages('lost');
    run('qemu-io', ['-f', 'raw', '-c', 'write -P 0 65536 8', 'base'], folder);
    assert.equal(image(folder, 'check', 'base').status, 2);
    assert.equal(image(folder, 'check', '-r', 'all', 'base').status, 0);
    qemu(folder, 'check', 'base');
    qemu(folder, 'compare', 'base', 'raw');
  });
});

describe('vitrine image says in one line', () => {
  const cases: readonly (readonly [args: readonly string[], status: number, message: RegExp])[] = [
    [[], 1, /^vitrine: found no verb, expected one of create, info, .*build; see vitrine image --help\n$/],
    [['walk'], 1, /^vitrine: unknown command 'walk'; see/],
    [['create', 'x'], 1, /^vitrine: Image creation needs a size parameter\n$/],
    [['create', '-f', 'qcow2', 'x', '5x'], 1, /^vitrine: found "5x", expected a size such as 512M\n$/],
    [['create', '-f', 'walrus', 'x', '5M'], 1, /^vitrine: found format walrus, expected one of raw, qcow2/],
    [['create', '-f', 'qcow2', '-o', 'cluster_size=77', 'x', '5M'], 1, /^vitrine: Cluster size must be a power of two/],
    [['create', '-f', 'qcow2', '-o', 'walrus=1', 'x', '5M'], 1, /^vitrine: format qcow2 has no option walrus/],
    [['create', '-f', 'qcow2', '-b', 'none', '-F', 'raw', 'x', '5M'], 1, /^vitrine: .*none: no such file\n$/],
    [['info', 'none'], 1, /^vitrine: .*none: no such file\n$/],
    [['compare', 'none', 'none'], 2, /^vitrine: .*none: no such file\n$/],
    [['check', '-r', 'some', 'none'], 1, /^vitrine: option '-r, --repair <WHAT>' argument 'some' is invalid/],
  ];
  for (const [args, status, message] of cases) {
    it(`what is wrong with "${args.join(' ')}"`, () => {
      const found = image(inFolder('.'), ...args);
      assert.match(found.complaints, message);
      assert.equal(found.status, status);
      assert.equal(found.output.replace(/^Formatting .*\n/, ''), '');
    });
  }

  it('how to use it', () => {
    const { status, output } = image(inFolder('.'), 'convert', '--help');
    assert.equal(status, 0);
    assert.match(output, /--compress[\s\S]*Examples:/);
  });
});

describe('vitrine image pack and seed', () => {
  it('make discs, floppies and seeds', () => {
    const folder = inFolder('packed-folder');
    mkdirSync(folder);
    writeFileSync(join(folder, 'hello.txt'), 'hello');
    writeFileSync(join(folder, 'key.pub'), '# mine\nssh-ed25519 AAAA me\n');
    const parent = inFolder('.');
    for (const args of [
      ['pack', 'packed-folder', 'disc.iso'],
      ['pack', '-f', 'fat', '--size', '1440k', '--label', 'floppy', 'packed-folder', 'floppy.img'],
      ['seed', '--ssh-key', 'packed-folder/key.pub', '--hostname', 'guest', 'seed.iso'],
    ]) {
      assert.deepEqual(image(parent, ...args), { status: 0, output: '', complaints: '' });
    }
    assert.ok(readFileSync(inFolder('disc.iso')).includes('PACKED-FOLDER'));
    assert.equal(statSync(inFolder('floppy.img')).size, 1_474_560);
    assert.ok(readFileSync(inFolder('seed.iso')).includes('"local-hostname": "guest"'));
    assert.ok(readFileSync(inFolder('seed.iso')).includes('ssh-ed25519 AAAA me'));
  });
});
