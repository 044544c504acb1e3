/** Runs an image under QEMU's translator, where it is installed. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Image } from './image.ts';

const MOST_MILLISECONDS = 60_000;

/** What the image prints, or undefined where `program` is not installed. */
export function runOnQemu(image: Image, program: 'qemu-system-i386' | 'qemu-system-x86_64'): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-privileged-'));
  try {
    const kernel = join(folder, 'kernel');
    const output = join(folder, 'output');
    writeFileSync(kernel, image.assembled.bytes);
    const machine = ['-accel', 'tcg', '-cpu', 'max', '-m', '16', '-nodefaults', '-no-reboot'];
    const outside = ['-display', 'none', '-debugcon', `file:${output}`, '-kernel', kernel];
    const { error, signal } = spawnSync(program, [...machine, ...outside], { timeout: MOST_MILLISECONDS });
    if (error && 'code' in error && error.code === 'ENOENT') return undefined;
    if (error || signal) throw error ?? new Error(`${program} was ended by ${signal}`);
    return readFileSync(output, 'latin1');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
