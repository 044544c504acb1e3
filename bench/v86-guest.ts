// A child process with one guest under v86, with Debian's SeaBIOS. Gets a BootOrder in JSON as its argument, sends a
// ConsoleLine for each line of the guest's console, and ends with the guest.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BootOrder, LineStamper } from './boot.ts';
import { LAST_LINE } from './measure.ts';
import { v86Folder } from './v86-package.ts';

/** The part of v86's interface that is used here (its v86.d.ts). */
interface V86Class {
  new (options: object): { add_listener(event: string, listen: (value: number) => void): void };
}

const BIOS = '/usr/share/seabios/bios.bin';
const VGA_BIOS = '/usr/share/seabios/vgabios-stdvga.bin';

const order: BootOrder = JSON.parse(process.argv[2] ?? '');
const file = (path: string) => ({ buffer: readFileSync(path).buffer });
const build = join(v86Folder(), 'build');
const { V86 }: { V86: V86Class } = await import(join(build, 'libv86.mjs'));
const machine = new V86({
  wasm_path: join(build, 'v86.wasm'),
  memory_size: order.memoryBytes,
  bios: file(BIOS),
  vga_bios: file(VGA_BIOS),
  bzimage: file(order.kernel),
  initrd: file(order.initrd),
  cmdline: order.commandLine,
  acpi: true,
  autostart: true,
  disable_speaker: true,
});
const stamper = new LineStamper((line) => {
  process.send?.(line, () => {
    if (line.text === LAST_LINE) process.exit();
  });
});
machine.add_listener('serial0-output-byte', (byte) => stamper.push(byte));
