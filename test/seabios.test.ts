import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { debianFile } from './guests/debian.ts';
import { projectRoot } from './source-files.ts';

const BOOT_SECONDS = 60;
const MEMORY_MIB = 64;
const END = 'No bootable device';

/** The machine that `vitrine run` makes, in QEMU's words: without option ROMs, and with a CD drive that is empty. */
const CARDS = [
  'VGA,addr=02.0,romfile=',
  'e1000,addr=03.0,romfile=,netdev=cable',
  'virtio-balloon-pci,addr=1b.0',
  'virtio-tablet-pci,addr=1c.0',
  'virtio-rng-pci,addr=1d.0',
  'ide-cd,bus=ide.1,unit=0',
].flatMap((card) => ['-device', card]);

/** What SeaBIOS must say alike on every such PC, apart from addresses that depend on the sizes of tables. */
const COMMON =
  /^(SeaBIOS|Running on|Found QEMU|QEMU fw_cfg|qemu\/e820|Relocating|Moving|=== |PCI: (init|32)|PIIX3|Using pmtimer|Found 1 cpu|PS2|All threads|Booting|Boot failed|enter handle)/;

function essence(log: string): string[] {
  return log.split('\n').flatMap((line) => (COMMON.test(line) ? [line.trim()] : []));
}

describe('SeaBIOS', { timeout: 3 * BOOT_SECONDS * 1000 }, () => {
  let folder = '';
  let rom = '';
  let absent = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vitrine-seabios-'));
    rom = join(folder, 'bios-256k.bin');
    const file = { architecture: 'amd64', package: 'seabios', pattern: '*/seabios/bios-256k.bin' } as const;
    await debianFile(file).then(
      (bytes) => writeFile(rom, bytes),
      (error: Error) => {
        absent = `no SeaBIOS here: ${error.message.split('\n')[0]}`;
      },
    );
  });
  after(() => rm(folder, { recursive: true }));

  /** Starts a machine and ends it when the log says that there is nothing to boot. */
  async function logOf(command: string, args: readonly string[], log: string): Promise<string> {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const text = await until(
      () => readFile(log, 'latin1').catch(() => ''),
      (read) => read.includes(END),
    );
    child.kill();
    await ended;
    return text;
  }

  it('finds the same PC as under QEMU', async (t) => {
    if (absent) return t.skip(absent);
    const ours = join(folder, 'ours.log');
    const run = ['run', '--firmware', rom, '--memory', String(MEMORY_MIB), '--serial', 'none'];
    const log = await logOf(
      process.execPath,
      [join(projectRoot, 'bin/vitrine'), ...run, '--debugcon', `file:${ours}`],
      ours,
    );
    assert.match(log, new RegExp(END));
    assert.match(log, /table\(50434146\)=/, 'no ACPI tables were found');
    if (spawnSync('qemu-system-x86_64', ['--version']).status !== 0)
      return t.skip('no qemu-system-x86_64 here to compare with');
    const theirs = join(folder, 'qemu.log');
    const machine = ['-machine', 'pc,smm=off,accel=tcg', '-m', String(MEMORY_MIB), '-nodefaults', '-display', 'none'];
    const port = ['-device', 'isa-debugcon,iobase=0x402,chardev=log', '-chardev', `file,id=log,path=${theirs}`];
    const reference = await logOf(
      'qemu-system-x86_64',
      [...machine, '-netdev', 'hubport,id=cable,hubid=0', ...CARDS, ...port, '-bios', rom],
      theirs,
    );
    assert.deepEqual(essence(log).toSorted(), essence(reference).toSorted());
  });

  it('says on a serial console that there is nothing to boot', async (t) => {
    if (absent) return t.skip(absent);
    const screen = join(folder, 'screen');
    const args = ['run', '--firmware', rom, '--memory', String(MEMORY_MIB), '--serial', `file:${screen}`];
    const text = await logOf(process.execPath, [join(projectRoot, 'bin/vitrine'), ...args], screen);
    assert.match(text, /No bootable device/);
  });
});

/** Reads until what was read is wanted, for at most the time a boot may take. */
async function until(read: () => Promise<string>, wanted: (text: string) => boolean): Promise<string> {
  const end = Date.now() + BOOT_SECONDS * 1000;
  for (;;) {
    const text = await read();
    if (wanted(text) || Date.now() > end) return text;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
