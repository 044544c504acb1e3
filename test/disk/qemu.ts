import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether QEMU's image tools are here, or why tests that need them are skipped. */
export const NO_QEMU_IMG =
  spawnSync('qemu-img', ['--version']).status === 0 ? false : 'qemu-img is absent (Debian: qemu-utils)';

/** What a program said, and how it ended. */
export interface Ended {
  readonly status: number | null;
  readonly output: string;
  readonly complaints: string;
}

/** Runs a program to its end. */
export function runTool(tool: string, args: readonly string[], input?: string): Ended {
  const { status, stdout, stderr } = spawnSync(tool, args, { encoding: 'utf8', input, maxBuffer: 64 << 20 });
  return { status, output: stdout, complaints: stderr };
}

/** Runs a program that must succeed. @returns its output */
export function tool(name: string, ...args: readonly string[]): string {
  const { status, output, complaints } = runTool(name, args);
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${status}: ${complaints}${output}`);
  return output;
}

/** A folder that is removed with everything in it when the process ends. */
export function temporaryFolder(name: string): (file: string) => string {
  const folder = mkdtempSync(join(tmpdir(), `vitrine-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return (file) => join(folder, file);
}
