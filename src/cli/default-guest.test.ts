import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readBootFile } from '../vm/boot-file.ts';
import type { VmConfig } from '../vm/index.ts';
import { loadDefaultGuest } from './default-guest.ts';
import { CliError, STATUS } from './errors.ts';

const PATH = process.env.PATH ?? '';
const textOf = async (file: VmConfig['kernel']) => new TextDecoder().decode(file && (await readBootFile(file)));

let folder: string;
const inFolder = (...names: string[]) => join(folder, ...names);

function addProgram(name: string, script: string): void {
  writeFileSync(inFolder('bin', name), `#!/bin/sh\nhere='${folder}'\n${script}\n`, { mode: 0o755 });
}

/** Makes a package file and answers what the lists say of it. A package is a plain tar here; so is dpkg-deb's part. */
function addPackage(name: string, file: string, content: string): string {
  const root = inFolder('root', name);
  mkdirSync(join(root, file, '..'), { recursive: true });
  writeFileSync(join(root, file), content);
  execFileSync('tar', ['-cf', inFolder('pool', `${name}_1.deb`), '-C', root, '.']);
  const sha256 = createHash('sha256')
    .update(readFileSync(inFolder('pool', `${name}_1.deb`)))
    .digest('hex');
  return `Package: ${name}\nVersion: 1\nSHA256: ${sha256}\n`;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-default-guest-'));
  for (const name of ['bin', 'pool', 'lists']) mkdirSync(inFolder(name));
  const metapackage = 'Package: linux-image-cloud-amd64\nVersion: 1\nDepends: linux-image-6-cloud (= 1)\nSHA256: 0\n';
  writeFileSync(inFolder('lists', 'linux-image-cloud-amd64'), metapackage);
  writeFileSync(
    inFolder('lists', 'linux-image-6-cloud'),
    addPackage('linux-image-6-cloud', 'boot/vmlinuz-6', 'kernel'),
  );
  writeFileSync(inFolder('lists', 'busybox-static'), addPackage('busybox-static', 'usr/bin/busybox', 'box'));
  addProgram(
    'apt-cache',
    `[ -d $here/lists ] || { echo 'E: No packages found' >&2; exit 100; }
cd $here/lists; for name; do [ -f "$name" ] && cat "$name" && echo; done; exit 0`,
  );
  addProgram(
    'apt-get',
    `echo "$1" >> $here/log
case "$1" in
update) mv $here/spare $here/lists;;
download) echo 'dlstatus:1:50.0:Retrieving' >&3; for name; do cp $here/pool/\${name%=*}_*.deb . 2>/dev/null; done; exit 0;;
esac`,
  );
  addProgram('dpkg-deb', 'cat "$2"');
  process.env.PATH = `${inFolder('bin')}:${PATH}`;
  process.env.XDG_CACHE_HOME = inFolder('cache');
});

afterEach(() => {
  process.env.PATH = PATH;
  delete process.env.XDG_CACHE_HOME;
  rmSync(folder, { recursive: true });
});

const aptCalls = () => readFileSync(inFolder('log'), 'utf8').trim().split('\n');

describe('the default guest', () => {
  it('has the kernel and the BusyBox of the packages, and a console', async () => {
    const { kernel, initrd, commandLine } = await loadDefaultGuest('');
    assert.equal(await textOf(kernel), 'kernel');
    assert.match(await textOf(initrd), /bin\/busybox\0+box\0/);
    assert.equal(commandLine, 'console=ttyS0');
  });

  it('takes more for the command line', async () => {
    assert.equal((await loadDefaultGuest('quiet')).commandLine, 'console=ttyS0 quiet');
  });

  it('is fetched once and then kept, with nothing else left behind', async () => {
    await loadDefaultGuest('');
    const again = await loadDefaultGuest('');
    assert.equal(await textOf(again.kernel), 'kernel');
    assert.deepEqual(aptCalls(), ['download']);
    assert.deepEqual(readdirSync(inFolder('cache/vitrine')).sort(), ['default-guest.json', 'files']);
    assert.equal(readdirSync(inFolder('cache/vitrine/files')).length, 2);
  });

  it('has its kernel read again for a reset, unless that was removed', async () => {
    const { kernel } = await loadDefaultGuest('');
    assert.equal(await textOf(kernel), 'kernel');
    assert.equal(await textOf(kernel), 'kernel');
    rmSync(inFolder('cache'), { recursive: true });
    await assert.rejects(textOf(kernel), /^Error: the default guest's kernel is no longer in the cache$/);
  });

  it('is fetched again when a kept file is damaged or the list is', async () => {
    await loadDefaultGuest('');
    for (const name of readdirSync(inFolder('cache/vitrine/files'))) {
      writeFileSync(inFolder('cache/vitrine/files', name), 'damaged');
    }
    assert.equal(await textOf((await loadDefaultGuest('')).kernel), 'kernel');
    writeFileSync(inFolder('cache/vitrine/default-guest.json'), '{');
    assert.equal(await textOf((await loadDefaultGuest('')).kernel), 'kernel');
    assert.deepEqual(aptCalls(), ['download', 'download', 'download']);
  });

  it('fetches package lists of its own where the host has none', async () => {
    execFileSync('mv', [inFolder('lists'), inFolder('spare')]);
    assert.equal(await textOf((await loadDefaultGuest('')).kernel), 'kernel');
    assert.deepEqual(aptCalls(), ['update', 'download']);
  });

  const failures: [what: string, spoil: () => void, why: RegExp][] = [
    ['there is no apt', () => rmSync(inFolder('bin'), { recursive: true }), /\(apt-get is not on this host\)/],
    [
      'a package is damaged',
      () => writeFileSync(inFolder('pool/busybox-static_1.deb'), 'damaged'),
      /\(busybox-static_1.deb has a wrong checksum\)/,
    ],
    [
      'there is no kernel',
      () => rmSync(inFolder('lists/linux-image-cloud-amd64')),
      /\(the package lists have no Linux kernel for amd64\)/,
    ],
  ];
  for (const [what, spoil, why] of failures) {
    it(`tells how to give another where ${what}`, async () => {
      spoil();
      mkdirSync(inFolder('spare'));
      process.env.PATH = `${inFolder('bin')}:/nowhere`;
      addTools();
      await assert.rejects(loadDefaultGuest(''), (error: CliError) => {
        assert.match(error.message, why);
        assert.match(error.message, /--kernel FILE --initrd FILE/);
        assert.equal(error.status, STATUS.missing);
        return error instanceof CliError;
      });
    });
  }

  /** Lets the programs of this test find the system's without the system's apt. */
  function addTools(): void {
    for (const tool of ['cat', 'cp', 'mv', 'tar']) {
      const path = execFileSync('/bin/sh', ['-c', `command -v ${tool}`], { env: { PATH }, encoding: 'utf8' }).trim();
      mkdirSync(inFolder('bin'), { recursive: true });
      addProgram(tool, `exec ${path} "$@"`);
    }
  }
});
