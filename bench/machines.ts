import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { START_V8_FLAGS } from '../bin/v8-flags.js';
import { MACHINE_V8_FLAGS } from '../src/host/node/v8-flags.ts';
import { findChromium } from '../test/browser/chromium.ts';
import { type BootOrder, type ConsoleLine, LineStamper } from './boot.ts';
import { readV86Version } from './v86-package.ts';
import type { Bits } from './workload.ts';

/** A virtual machine to measure. */
export interface Machine {
  readonly name: string;
  /** The guests it can run. */
  readonly widths: readonly Bits[];
  /** Its version. @throws {Error} it is not on this host */
  version(): string;
  /** Starts a guest in a process of its own. */
  start(order: BootOrder, bits: Bits): ChildProcess;
}

/** The flags under which V8 runs a machine of the command line in a Node that the launcher has started. */
const V8_FLAGS = [...START_V8_FLAGS, ...MACHINE_V8_FLAGS];
const inFolder = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const QEMU = { 32: 'qemu-system-i386', 64: 'qemu-system-x86_64' } as const;
const NO_DEVICES = ['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'];

/** A machine whose guest lives in a script here, which sends a {@link ConsoleLine} for each line. */
function scripted(
  name: string,
  widths: readonly Bits[],
  script: string,
  version: () => string,
  { flags = [], accel }: { readonly flags?: readonly string[]; readonly accel?: BootOrder['accel'] } = {},
): Machine {
  const start = (order: BootOrder) =>
    spawn(process.execPath, [...flags, inFolder(script), JSON.stringify({ ...order, accel })], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  return { name, widths, version, start };
}

const QEMU_TCG: Machine = {
  name: 'QEMU TCG',
  widths: [64, 32],
  version: () => /version (\S+)/.exec(firstLine(QEMU[64], ['--version']))?.[1] ?? 'unknown',
  start: ({ kernel, initrd, commandLine, memoryBytes }, bits) => {
    const guest = ['-kernel', kernel, '-initrd', initrd, '-append', commandLine, '-m', `${memoryBytes / 2 ** 20}M`];
    return spawn(QEMU[bits], ['-accel', 'tcg', '-machine', 'pc', ...NO_DEVICES, ...guest], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  },
};

function ownVersion(): string {
  return firstLine('git', ['describe', '--always', '--dirty']);
}

function chromiumVersion(): string {
  const program = findChromium();
  if (program === undefined) throw new Error('Chromium is not on this host');
  return firstLine(program, ['--version']);
}

/** Every machine, by the word that `--machines` takes. */
export const MACHINES: Readonly<Record<string, Machine>> = {
  vitrine: scripted('Vitrine', [64, 32], 'start-guest.ts', ownVersion, { flags: V8_FLAGS }),
  interp: scripted('Vitrine interpreting', [64, 32], 'start-guest.ts', ownVersion, {
    flags: V8_FLAGS,
    accel: 'interp',
  }),
  qemu: QEMU_TCG,
  chromium: scripted('Vitrine in Chromium', [64, 32], 'browser-guest.ts', chromiumVersion),
  v86: scripted('v86', [32], 'v86-guest.ts', readV86Version),
};

/** Runs a guest to its end.
 * @param timeoutSeconds after which the guest is ended and what it printed is returned
 * @returns the lines of its console */
export async function runGuest(
  machine: Machine,
  order: BootOrder,
  bits: Bits,
  timeoutSeconds: number,
): Promise<ConsoleLine[]> {
  const lines: ConsoleLine[] = [];
  const child = machine.start(order, bits);
  const stamper = new LineStamper((line) => lines.push(line));
  child.stdout?.on('data', (bytes: Uint8Array) => {
    for (const byte of bytes) stamper.push(byte);
  });
  child.on('message', (line) => lines.push(line as ConsoleLine));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutSeconds * 1000);
  await new Promise<void>((resolve, reject) => {
    child.on('close', () => resolve());
    child.on('error', reject);
  });
  clearTimeout(timer);
  return lines;
}

/** The first line that a program prints. @throws {Error} it is not on this host */
export function firstLine(program: string, args: readonly string[]): string {
  const { error, stdout } = spawnSync(program, args, { encoding: 'utf8', cwd: inFolder('.') });
  if (error) throw new Error(`${program} is not on this host`);
  return stdout.split('\n')[0] ?? '';
}
