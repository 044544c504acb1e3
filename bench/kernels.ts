import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianKernel } from '../test/guests/debian.ts';
import type { Bits } from './workload.ts';

/** A kernel, and which it is. */
export interface Kernel {
  readonly path: string;
  readonly version: string;
}

/** Where a bzImage says where its version is, less 512 (Linux, Documentation/arch/x86/boot.rst, `kernel_version`). */
const VERSION_POINTER = 0x20e;
const LONGEST_VERSION = 200;

/** The kernel that is given, or Debian's; v86 has no PAE, so the 32-bit one is without.
 * @param folder where to put Debian's  @throws {Error} it is not there, or this host has no such package source */
export async function findKernel(bits: Bits, given: string | undefined, folder: string): Promise<Kernel> {
  if (given !== undefined) return { path: given, version: versionOf(readFileSync(given)) };
  const kernel = await (bits === 64
    ? debianKernel('amd64', 'linux-image-cloud-amd64')
    : debianKernel('i386', 'linux-image-686'));
  const path = join(folder, `vmlinuz${bits}`);
  writeFileSync(path, kernel);
  return { path, version: versionOf(kernel) };
}

function versionOf(kernel: Uint8Array): string {
  const at = new DataView(kernel.buffer, kernel.byteOffset).getUint16(VERSION_POINTER, true) + 512;
  const text = new TextDecoder('latin1').decode(kernel.subarray(at, at + LONGEST_VERSION));
  return text.split('\0')[0] ?? '';
}
