import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '../guests/debian.ts';
import { makeDebianRoot } from '../guests/debian-root.ts';
import { makeSuiteScript } from './suite-script.ts';

/** Python with its tests, what its modules are linked with, and BusyBox for everything else. */
const PACKAGES = [
  'busybox-static',
  'libbz2-1.0',
  'libc6',
  'libcrypt1',
  'libexpat1',
  'libffi8',
  'libgcc-s1',
  'liblzma5',
  'libpython3.11-minimal',
  'libpython3.11-stdlib',
  'libpython3.11-testsuite',
  'libssl3',
  'libuuid1',
  'python3.11',
  'python3.11-minimal',
  'zlib1g',
];
const PERMISSIONS = 0o755;

/**
 * Makes a small Debian root with Python and the suite's script in a folder.
 * @throws {Error} the packages cannot be had
 */
export async function makeRoot(architecture: Architecture, folder: string): Promise<void> {
  await makeDebianRoot(architecture, PACKAGES, folder);
  await writeFile(join(folder, 'suite'), makeSuiteScript(), { mode: PERMISSIONS });
}
