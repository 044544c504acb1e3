// Measures how fast a guest reads its disk, under Vitrine and under QEMU TCG: `npm run bench:disk`. The guest reads past
// its own cache; the host has the file in its cache.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { START_V8_FLAGS } from '../bin/v8-flags.js';
import { concatenate } from '../src/base/bytes.ts';
import { FILE_TYPE } from '../src/base/cpio.ts';
import { debianBusybox, debianKernel } from '../test/guests/debian.ts';
import { packInitramfs } from '../test/guests/initramfs.ts';
import { debianModules, LOAD_MODULES } from '../test/guests/modules.ts';
import { scriptOptions } from '../test/script-options.ts';
import { median } from './median.ts';

const KERNEL = 'linux-image-amd64';
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'ata_piix', 'ahci', 'sd_mod'];
const MEBIBYTE = 1 << 20;
const DISK_BYTES = 256 * MEBIBYTE;
const SOURCE = fileURLToPath(new URL('disk.c', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
const LINE = /^DISK (\S+) (\d+) (\w+) (\d+) ([\d.]+) (\w+)/;

/** What the guest does with each disk, one after the other: just booted, and when it has been at work for a while. */
const WORK = [
  { when: 'first', length: MEBIBYTE, reads: 1024, order: 'sequential' },
  { when: 'first', length: 4096, reads: 10_000, order: 'random' },
  { when: 'then', length: MEBIBYTE, reads: 8192, order: 'sequential' },
  { when: 'then', length: 4096, reads: 40_000, order: 'random' },
] as const;
type Work = (typeof WORK)[number];

/** Controllers by Vitrine's word, with QEMU's device and the disk's name in the guest. */
const BUSES: Readonly<Record<string, { readonly qemu: readonly string[]; readonly disk: string }>> = {
  virtio: { qemu: ['-device', 'virtio-blk-pci,drive=d'], disk: '/dev/vda' },
  scsi: { qemu: ['-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=d'], disk: '/dev/sda' },
  ide: { qemu: ['-device', 'ide-hd,drive=d'], disk: '/dev/sda' },
  ahci: { qemu: ['-device', 'ich9-ahci,id=a', '-device', 'ide-hd,drive=d,bus=a.0'], disk: '/dev/sda' },
};

/** A guest's files. */
interface Guest {
  readonly kernel: string;
  readonly initrd: string;
  readonly image: string;
}

/** Starts a guest and gives what its console says when it has ended. */
function run(program: string, args: readonly string[], timeoutMillis: number): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString('latin1');
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMillis);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      resolve(output);
    });
  });
}

const MACHINES: Readonly<Record<string, (guest: Guest, bus: string, format: string) => [string, string[]]>> = {
  vitrine: ({ kernel, initrd, image }, bus, format) => {
    const disk = ['--disk', `${image},format=${format},bus=${bus}`];
    const system = ['--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0 quiet', ...disk];
    return [process.execPath, [...START_V8_FLAGS, LAUNCHER, 'run', '--memory', '512M', '--net', 'none', ...system]];
  },
  qemu: ({ kernel, initrd, image }, bus, format) => {
    const disk = ['-drive', `if=none,id=d,file=${image},format=${format}`, ...BUSES[bus].qemu];
    const system = ['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet', ...disk];
    const machine = ['-accel', 'tcg', '-machine', 'pc', '-m', '512M', '-nodefaults', '-no-user-config'];
    return ['qemu-system-x86_64', [...machine, '-display', 'none', '-serial', 'stdio', '-no-reboot', ...system]];
  },
};

async function prepare(folder: string, disk: string, scale: number): Promise<string> {
  const program = join(folder, 'disk');
  execFileSync('gcc', ['-O2', '-static', '-o', program, SOURCE], { stdio: ['ignore', 2, 2] });
  const work = WORK.map((one) => `/disk ${disk} ${one.length} ${readsOf(one, scale)} ${one.order}`);
  const script = [LOAD_MODULES, `while [ ! -b ${disk} ]; do sleep 1; done`, ...work, 'poweroff -f'].join('\n');
  const file = { path: 'disk', mode: FILE_TYPE.file | 0o755, data: readFileSync(program) };
  const initrd = packInitramfs(await debianBusybox('amd64'), script, [file]);
  const path = join(folder, 'initrd');
  writeFileSync(path, concatenate([initrd, await debianModules('amd64', KERNEL, MODULES)]));
  return path;
}

/** What a guest says of one kind of work. */
interface Row {
  /** Bytes a second in a row, or reads a second. */
  readonly speed: number;
  /** Of what was read. */
  readonly sum: string;
}

/** Rows in the order of {@link WORK}. */
function rowsOf(output: string): Row[] {
  return output.split('\n').flatMap((line) => {
    const [, , length, order, reads, seconds, sum] = LINE.exec(line) ?? [];
    if (sum === undefined) return [];
    return [{ speed: (Number(reads) * (order === 'random' ? 1 : Number(length))) / Number(seconds), sum }];
  });
}

function describe({ order }: Work, speed: number): string {
  return order === 'random' ? `${speed.toFixed(0)} reads/s` : `${(speed / 1e6).toFixed(0)} MB/s`;
}

/** Says the medians of one kind of work, and how many times as fast as each other machine the first is. */
function report(work: Work, scale: number, medians: ReadonlyMap<string, number>): string {
  const { when, length, order } = work;
  const [[, own], ...peers] = medians;
  const speeds = [...medians].map(([machine, speed]) => `${machine} ${describe(work, speed)}`);
  const ratios = peers.map(([machine, speed]) => `${(own / speed).toFixed(2)} times ${machine}`);
  return `  ${when} ${readsOf(work, scale)} ${order} reads of ${length / 1024} KiB: ${[...speeds, ...ratios].join(', ')}`;
}

function readsOf({ reads }: Work, scale: number): number {
  return Math.ceil(reads * scale);
}

const USAGE = {
  command: 'npm run bench:disk',
  about: 'how fast a guest reads its disk',
  example: '--buses virtio --machines vitrine --scale 0.1',
};
const OPTIONS = {
  machines: { value: 'LIST', about: 'what runs the guest', default: Object.keys(MACHINES).join() },
  buses: { value: 'LIST', about: 'controllers', default: Object.keys(BUSES).join() },
  format: { value: 'NAME', about: "the disk image's format", default: 'raw' },
  scale: { value: 'N', about: 'how much is read, 1 being 9 GiB in a row and 50,000 small reads', default: '1' },
  repetitions: { value: 'N', about: 'guests of each kind, by turns', default: '3' },
  timeout: { value: 'SECONDS', about: 'for each guest', default: '300' },
};

type Options = { readonly [Name in keyof typeof OPTIONS]: string };

/** The words of a list. @throws {RangeError} one is not in the table */
function wordsOf(list: string, table: Readonly<Record<string, unknown>>): string[] {
  const words = list.split(',');
  const wrong = words.find((word) => !(word in table));
  if (wrong === undefined) return words;
  throw new RangeError(`"${wrong}" is none of ${Object.keys(table).join(', ')}`);
}

/** Runs all guests of one controller, by turns. */
async function measure(bus: string, guest: Guest, options: Options): Promise<void> {
  const machines = wordsOf(options.machines, MACHINES);
  const found = new Map(machines.map((machine): [string, Row[][]] => [machine, []]));
  for (let turn = 0; turn < Number(options.repetitions); turn++) {
    for (const machine of turn % 2 === 0 ? machines : machines.toReversed()) {
      const [program, args] = MACHINES[machine](guest, bus, options.format);
      const rows = rowsOf(await run(program, args, Number(options.timeout) * 1000));
      if (rows.length < WORK.length) throw new Error(`${bus}, ${machine}: the guest did not read everything`);
      const speeds = WORK.map((work, n) => describe(work, rows[n].speed)).join(', ');
      console.log(`${bus}, ${machine}: ${speeds} (load ${(loadavg()[0] ?? 0).toFixed(1)})`);
      found.get(machine)?.push(rows);
    }
  }
  console.log(`${bus}, medians:`);
  WORK.forEach((work, n) => {
    const sums = new Set([...found.values()].flat().map((rows) => rows[n].sum));
    if (sums.size > 1) throw new Error(`${bus}: guests have read different bytes`);
    const medians = [...found].map(([machine, all]) => [machine, median(all.map((rows) => rows[n].speed))] as const);
    console.log(report(work, Number(options.scale), new Map(medians)));
  });
}

async function main(): Promise<void> {
  const options = scriptOptions(USAGE, OPTIONS);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-disk-bench-'));
  try {
    const [kernel, raw, image] = ['kernel', 'raw', 'image'].map((name) => join(folder, name));
    writeFileSync(kernel, await debianKernel('amd64', KERNEL));
    writeFileSync(
      raw,
      Uint8Array.from({ length: DISK_BYTES }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24),
    );
    execFileSync(process.execPath, [LAUNCHER, 'image', 'convert', '-f', 'raw', '-O', options.format, raw, image]);
    for (const bus of wordsOf(options.buses, BUSES)) {
      const initrd = await prepare(folder, BUSES[bus].disk, Number(options.scale));
      await measure(bus, { kernel, initrd, image }, options);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
