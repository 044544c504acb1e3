import type { VmConfig } from '../vm/index.ts';
import { openOptionFile } from './files.ts';
import type { RunOptions } from './run-options.ts';

/** What a machine boots. */
export type Guest = Pick<VmConfig, 'kernel' | 'initrd' | 'commandLine' | 'firmware' | 'snapshot'>;

/** A guest whose kernel the machine loads itself. */
export type KernelGuest = Guest & { readonly kernel: NonNullable<Guest['kernel']> };

/** What makes the default guest's kernel write to the screen, and its shell read from the keyboard. */
const ON_SCREEN = 'console=tty0';

/** Reads the guest that the options name; without a kernel and firmware, the default guest is made.
 * @throws {CliError} a file is missing or unreadable, or there is no default guest on this host */
export async function loadGuest(options: RunOptions): Promise<Guest> {
  const { kernel, initrd, append = '', firmware, display } = options;
  if (firmware !== undefined) {
    const serialConsole = display.kind === 'none';
    const { loadFirmware } = await import('./firmware.ts');
    return { firmware: { ...(await loadFirmware(firmware, options)), serialConsole }, commandLine: append };
  }
  if (kernel === undefined) {
    const { loadDefaultGuest } = await import('./default-guest.ts');
    return loadDefaultGuest(display.kind === 'none' ? append : `${ON_SCREEN} ${append}`);
  }
  return {
    kernel: openOptionFile(kernel),
    initrd: initrd && openOptionFile(initrd),
    commandLine: append,
  };
}
