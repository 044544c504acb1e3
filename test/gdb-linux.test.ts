import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { type Architecture, debianBusybox, debianKernel } from './guests/debian.ts';
import { packInitramfs } from './guests/initramfs.ts';
import { projectRoot } from './source-files.ts';

const run = promisify(execFile);

interface Guest {
  readonly architecture: Architecture;
  readonly kernel: string;
  /** As binutils name its object files. */
  readonly emulation: string;
  readonly bits: '--32' | '--64';
  /** A symbol that the IRET by which interrupts return follows, or is at. */
  readonly returns: string;
}

const GUESTS: readonly Guest[] = [
  {
    architecture: 'amd64',
    kernel: 'linux-image-cloud-amd64',
    emulation: 'elf_x86_64',
    bits: '--64',
    returns: 'native_irq_return_iret',
  },
  {
    architecture: 'i386',
    kernel: 'linux-image-686-pae',
    emulation: 'elf_i386',
    bits: '--32',
    returns: 'restore_all_switch_stack',
  },
];
const FUNCTIONS = ['start_kernel', 'do_timer', ...GUESTS.map(({ returns }) => returns)];
const FUNCTIONS_AND_DATA = [...FUNCTIONS, '_text', 'jiffies_64'];
const TEXT_BYTES = 0x4000000;

function vitrine(folder: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  const boot = ['--kernel', join(folder, 'kernel'), '--initrd', join(folder, 'initrd')];
  const line = ['--append', 'console=ttyS0 quiet nokaslr', '--memory', '256M', '--no-reboot', '--timeout', '300'];
  return spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), 'run', ...boot, ...line, ...args]);
}

async function outputOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await once(child, 'close');
  return output;
}

/** Where the kernel has its symbols, as it says itself. */
async function findSymbols(folder: string): Promise<ReadonlyMap<string, bigint>> {
  const child = vitrine(folder, []);
  child.stdin.end('poweroff -f\n');
  const output = await outputOf(child);
  const found = output.matchAll(/^([0-9a-f]+) \w (\w+)\r?$/gm);
  return new Map([...found].map(([, address, name]) => [name, BigInt(`0x${address}`)]));
}

/** An object file that has the kernel's symbols and nothing else. */
async function makeSymbolFile(folder: string, guest: Guest, symbols: ReadonlyMap<string, bigint>): Promise<string> {
  const path = (name: string) => join(folder, name);
  const base = symbols.get('_text') ?? 0n;
  await writeFile(path('text.s'), `.section .text,"ax",@nobits\n.skip ${TEXT_BYTES}\n`);
  await run('as', [guest.bits, path('text.s'), '-o', path('text.o')]);
  await run('ld', [
    '-m',
    guest.emulation,
    `-Ttext=0x${base.toString(16)}`,
    '-e',
    '0',
    path('text.o'),
    '-o',
    path('text'),
  ]);
  const added = [...symbols].filter(([name]) => FUNCTIONS.includes(name));
  const options = added.flatMap(([name, address]) => [
    '--add-symbol',
    `${name}=.text:${address - base},function,global`,
  ]);
  await run('objcopy', [...options, path('text'), path('symbols')]);
  return path('symbols');
}

/** Has gdb do `commands` with a kernel that waits for it from its first instruction. @returns what gdb and the guest printed */
async function debug(folder: string, symbols: string, commands: string): Promise<[gdb: string, guest: string]> {
  const socket = join(folder, 'gdb');
  const child = vitrine(folder, ['--gdb', `unix:${socket},wait`]);
  child.stdin.end('echo still here\npoweroff -f\n');
  const guest = outputOf(child);
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 50));
  await writeFile(join(folder, 'commands'), `set pagination off\ntarget remote ${socket}\n${commands}\n`);
  const { stdout } = await run('gdb', ['-batch', '-nx', '-x', join(folder, 'commands'), symbols], { timeout: 280_000 });
  return [stdout, await guest];
}

/** Commands that tell who writes to the kernel's clock, which starts 300 s before it wraps. */
function watchWriter(address: bigint): string {
  return `watch *(int*)0x${address.toString(16)}\ncontinue\ndelete`;
}

/** Commands that step through the first IRET from a symbol on, and tell whether that led to where its stack says. */
function stepThroughReturn(symbol: string, folder: string): string {
  const found = join(folder, 'iret');
  const firstAsCommand = String.raw`0,/\tiret/s/ *\(0x[0-9a-f]*\).*\tiret.*/set $iret = (unsigned long)\1/p`;
  return `pipe x/200i ${symbol} | sed -n '${firstAsCommand}' > ${found}
source ${found}
hbreak *$iret
continue
x/i $pc
set $back = *(unsigned long*)$sp
stepi
printf "behind %d\\n", $pc == $back
delete`;
}

async function prepare(t: TestContext, folder: string, { architecture, kernel }: Guest): Promise<boolean> {
  try {
    await run('gdb', ['--version']);
    await run('ld', ['--version']);
    const wanted = FUNCTIONS_AND_DATA.join('|');
    const init = packInitramfs(await debianBusybox(architecture), `grep -E ' (${wanted})$' /proc/kallsyms`);
    await writeFile(join(folder, 'initrd'), init);
    await writeFile(join(folder, 'kernel'), await debianKernel(architecture, kernel));
    return true;
  } catch (error) {
    t.skip(`gdb, binutils or the guest are not here: ${(error as Error).message.split('\n')[0]}`);
    return false;
  }
}

describe('gdb debugs a booting kernel', () => {
  for (const guest of GUESTS) {
    it(guest.kernel, { timeout: 600_000 }, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'vitrine-gdb-linux-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      if (!(await prepare(t, folder, guest))) return;
      const symbols = await findSymbols(folder);
      const jiffies = symbols.get('jiffies_64');
      const [text, output] = await debug(
        folder,
        await makeSymbolFile(folder, guest, symbols),
        `hbreak *start_kernel
continue
backtrace 3
delete
${jiffies === undefined ? '' : watchWriter(jiffies)}
${stepThroughReturn(guest.returns, folder)}
break *do_timer
continue
info symbol $pc
detach`,
      );
      assert.match(text, /^#0 .*start_kernel \(\)$/m);
      assert.match(text, /^#1 .*0x[0-9a-f]+ in /m);
      assert.match(text, /^Breakpoint \d+, .* in do_timer \(\)\ndo_timer in section \.text/m);
      if (jiffies !== undefined) assert.match(text, /^New value = -74999\n0x[0-9a-f]+ in do_timer \(\)$/m);
      assert.match(text, /\tiretq?\s*\n.*\nbehind 1\n/);
      assert.match(output, /still here/);
    });
  }
});
