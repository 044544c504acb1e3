import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FirmwareBoot, VmConfig } from '../vm/index.ts';
import { readOptionFile } from './files.ts';
import type { FileOption, RunOptions } from './run-options.ts';

/** What a machine boots. */
export type Guest = Pick<VmConfig, 'kernel' | 'initrd' | 'commandLine' | 'firmware'>;

/** A guest whose kernel the machine loads itself. */
export type KernelGuest = Guest & { readonly kernel: Uint8Array };

/** What makes the default guest's kernel write to the screen, and its shell read from the keyboard. */
const ON_SCREEN = 'console=tty0';

/** Reads the guest that the options name; without a kernel and firmware, the default guest is made.
 * @throws {CliError} a file is missing or unreadable, or there is no default guest on this host */
export async function loadGuest(options: RunOptions): Promise<Guest> {
  const { kernel, initrd, append = '', firmware, bootOrder, display } = options;
  if (firmware !== undefined) {
    const serialConsole = display.kind === 'none';
    return { firmware: { ...(await loadFirmware(firmware)), bootOrder, serialConsole }, commandLine: append };
  }
  if (kernel === undefined) {
    const { loadDefaultGuest } = await import('./default-guest.ts');
    return loadDefaultGuest(display.kind === 'none' ? append : `${ON_SCREEN} ${append}`);
  }
  return {
    kernel: await readOptionFile(kernel),
    initrd: initrd && (await readOptionFile(initrd)),
    commandLine: append,
  };
}

/** The VGA BIOS that SeaBIOS's package has beside it, and the name under which SeaBIOS looks for that of our adapter. */
const VGA_BIOS = 'vgabios-stdvga.bin';
const VGA_BIOS_NAME = 'pci1234,1111.rom';

async function loadFirmware(firmware: FileOption | 'builtin'): Promise<Pick<FirmwareBoot, 'rom' | 'files'>> {
  if (firmware === 'builtin') return { rom: 'builtin' };
  const rom = await readOptionFile(firmware);
  const vgaBios = await readFile(join(dirname(firmware.path), VGA_BIOS)).catch(() => undefined);
  return { rom, files: vgaBios && [[VGA_BIOS_NAME, vgaBios]] };
}
