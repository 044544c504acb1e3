import { join } from 'node:path';
import type { Architecture } from '../guests/debian.ts';
import { projectRoot } from '../source-files.ts';
import { kept, run } from './media.ts';

/** Debian 12 as a disk image, as `vitrine image build` makes it; root has no password. @throws {Error} a tool is missing */
export function debianDisk(architecture: Architecture): Promise<string> {
  const program = join(projectRoot, 'bin/vitrine');
  return kept(`debian-12-${architecture}.qcow2`, (path) =>
    run(process.execPath, [program, 'image', 'build', 'debian', '--suite', 'bookworm', '--arch', architecture, path]),
  );
}
