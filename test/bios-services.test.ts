import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SERVICE_CALLS, serviceDisk } from './firmware/services.ts';
import { projectRoot } from './source-files.ts';

const RUN_MILLIS = 60_000;
const MEMORY_MIB = '64';

/** Where SeaBIOS answers otherwise, and why we do not follow it. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  '13/08 disk': 'SeaBIOS keeps the last cylinder back, for a diagnosis that nobody makes any more',
  '13/15 disk': 'likewise',
  '1a/b10a bad': 'SeaBIOS reads across registers where the specification asks for an error',
};

/** Results by the name of the call. */
function resultsOf(output: string): Map<string, string> {
  const lines = output.split('\n').map((line) => line.split(': ') as [string, string]);
  return new Map(lines.filter(([name]) => SERVICE_CALLS.some(([call]) => call === name)));
}

describe('services of the BIOS', { timeout: 2 * RUN_MILLIS }, () => {
  let folder = '';
  let disk = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vitrine-bios-'));
    disk = join(folder, 'disk.img');
    await writeFile(disk, serviceDisk());
  });
  after(() => rm(folder, { recursive: true }));

  async function ours(): Promise<Map<string, string>> {
    const log = join(folder, 'ours');
    const run = [join(projectRoot, 'bin/vitrine'), 'run', '--disk', `${disk},format=raw`, '--memory', MEMORY_MIB];
    const ports = ['--serial', 'none', '--debugcon', `file:${log}`, '--debug-exit', '0x501'];
    const { status, stderr } = spawnSync(process.execPath, [...run, ...ports], { timeout: RUN_MILLIS });
    assert.equal(status, 1, String(stderr));
    return resultsOf(await readFile(log, 'latin1'));
  }

  async function theirs(): Promise<Map<string, string>> {
    const log = join(folder, 'theirs');
    const machine = ['-machine', 'pc,accel=tcg', '-m', MEMORY_MIB, '-nodefaults', '-display', 'none', '-vga', 'std'];
    const drive = ['-drive', `file=${disk},format=raw,if=ide`, '-serial', 'null'];
    const port = ['-chardev', `file,id=log,path=${log}`, '-device', 'isa-debugcon,iobase=0xe9,chardev=log'];
    const exit = ['-device', 'isa-debug-exit,iobase=0x501'];
    const run = spawnSync('qemu-system-x86_64', [...machine, ...drive, ...port, ...exit], { timeout: RUN_MILLIS });
    assert.equal(run.status, 1, String(run.stderr));
    return resultsOf(await readFile(log, 'latin1'));
  }

  it('all end', async () => {
    const results = await ours();
    const absent = SERVICE_CALLS.filter(([name]) => !results.has(name)).map(([name]) => name);
    assert.deepEqual(absent, []);
  });

  it('answer as those of SeaBIOS under QEMU', async (t) => {
    const version = spawnSync('qemu-system-x86_64', ['--version']);
    if (version.status !== 0) return t.skip('no qemu-system-x86_64 here to compare with');
    const [mine, reference] = [await ours(), await theirs()];
    for (const name of Object.keys(DIFFERENCES)) reference.delete(name);
    for (const [name, result] of reference) assert.equal(mine.get(name), result, name);
    assert.equal(reference.size, SERVICE_CALLS.length - Object.keys(DIFFERENCES).length);
  });
});
