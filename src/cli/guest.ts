import type { VmConfig } from '../vm/index.ts';
import { readOptionFile } from './files.ts';
import type { RunOptions } from './run-options.ts';

/** What a machine boots. */
export type Guest = Pick<VmConfig, 'kernel' | 'initrd' | 'commandLine'>;

/** Reads the guest that the options name; without a kernel, the default guest is made.
 * @throws {CliError} a file is missing or unreadable, or there is no default guest on this host */
export async function loadGuest({ kernel, initrd, append = '' }: RunOptions): Promise<Guest> {
  if (kernel === undefined) {
    const { loadDefaultGuest } = await import('./default-guest.ts');
    return loadDefaultGuest(append);
  }
  return {
    kernel: await readOptionFile(kernel),
    initrd: initrd && (await readOptionFile(initrd)),
    commandLine: append,
  };
}
