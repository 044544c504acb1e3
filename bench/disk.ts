// Measures how fast a guest reads its disk, under Vitrine and under QEMU TCG: `npm run bench:disk`. The guest reads past
// its own cache; the host has the file in its cache.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { concatenate } from '../src/base/bytes.ts';
import { FILE_TYPE } from '../src/base/cpio.ts';
import { debianBusybox, debianKernel } from '../test/guests/debian.ts';
import { packInitramfs } from '../test/guests/initramfs.ts';
import { debianModules, LOAD_MODULES } from '../test/guests/modules.ts';
import { scriptOptions } from '../test/script-options.ts';

const KERNEL = 'linux-image-amd64';
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'ata_piix', 'ahci', 'sd_mod'];
const MEBIBYTE = 1 << 20;
const DISK_BYTES = 256 * MEBIBYTE;
const SOURCE = fileURLToPath(new URL('disk.c', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
const LINE = /^DISK (\S+) (\d+) (\w+) (\d+) ([\d.]+) (\w+)/;

/** What the guest does with each disk. */
const WORK = [
  { length: MEBIBYTE, reads: 1024, order: 'sequential' },
  { length: 4096, reads: 10_000, order: 'random' },
] as const;

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

/** One measurement. */
interface Row {
  readonly length: number;
  readonly order: string;
  readonly reads: number;
  readonly seconds: number;
  readonly sum: string;
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
    return [process.execPath, [LAUNCHER, 'run', '--memory', '512M', '--net', 'none', ...system]];
  },
  qemu: ({ kernel, initrd, image }, bus, format) => {
    const disk = ['-drive', `if=none,id=d,file=${image},format=${format}`, ...(BUSES[bus]?.qemu ?? [])];
    const system = ['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet', ...disk];
    const machine = ['-accel', 'tcg', '-machine', 'pc', '-m', '512M', '-nodefaults', '-no-user-config'];
    return ['qemu-system-x86_64', [...machine, '-display', 'none', '-serial', 'stdio', '-no-reboot', ...system]];
  },
};

async function prepare(folder: string, disk: string, scale: number): Promise<string> {
  const program = join(folder, 'disk');
  execFileSync('gcc', ['-O2', '-static', '-o', program, SOURCE], { stdio: ['ignore', 2, 2] });
  const work = WORK.map(({ length, reads, order }) => `/disk ${disk} ${length} ${Math.ceil(reads * scale)} ${order}`);
  const script = [LOAD_MODULES, `while [ ! -b ${disk} ]; do sleep 1; done`, ...work, 'poweroff -f'].join('\n');
  const file = { path: 'disk', mode: FILE_TYPE.file | 0o755, data: readFileSync(program) };
  const initrd = packInitramfs(await debianBusybox('amd64'), script, [file]);
  const path = join(folder, 'initrd');
  writeFileSync(path, concatenate([initrd, await debianModules('amd64', KERNEL, MODULES)]));
  return path;
}

function readRows(output: string): Row[] {
  return output.split('\n').flatMap((line) => {
    const [, , length, order, reads, seconds, sum] = LINE.exec(line) ?? [];
    if (length === undefined || order === undefined || sum === undefined) return [];
    return [{ length: Number(length), order, reads: Number(reads), seconds: Number(seconds), sum }];
  });
}

function describe({ length, order, reads, seconds }: Row): string {
  const speed =
    order === 'random'
      ? `${(reads / seconds).toFixed(0)} reads/s`
      : `${((length * reads) / seconds / 1e6).toFixed(0)} MB/s`;
  return `${order} reads of ${length / 1024} KiB: ${speed}`;
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
  scale: { value: 'N', about: 'how much is read, 1 being 1 GiB in a row and 10,000 small reads', default: '1' },
  timeout: { value: 'SECONDS', about: 'for each guest', default: '300' },
};

async function main(): Promise<void> {
  const values = scriptOptions(USAGE, OPTIONS);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-disk-bench-'));
  try {
    const [kernel, raw, image] = ['kernel', 'raw', 'image'].map((name) => join(folder, name));
    writeFileSync(kernel, await debianKernel('amd64', KERNEL));
    writeFileSync(
      raw,
      Uint8Array.from({ length: DISK_BYTES }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24),
    );
    execFileSync(process.execPath, [LAUNCHER, 'image', 'convert', '-f', 'raw', '-O', values.format, raw, image]);
    for (const bus of values.buses.split(',')) {
      const initrd = await prepare(folder, BUSES[bus]?.disk ?? '', Number(values.scale));
      for (const machine of values.machines.split(',')) {
        const [program, args] = MACHINES[machine]?.({ kernel, initrd, image }, bus, values.format) ?? [machine, []];
        const rows = readRows(await run(program, args, Number(values.timeout) * 1000));
        for (const row of rows)
          console.log(`${bus}, ${machine}: ${describe(row)} (sum ${row.sum}, load ${loadavg()[0]?.toFixed(1)})`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
