import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { serveGdb } from '../src/cli/gdb.ts';
import { Vm } from '../src/vm/vm.ts';
import { multibootKernel } from './guests/multiboot.ts';

/** A counter at 200000h, 7Fh times by a procedure; then a page table moves a page, an interrupt returns, and it spins. */
const SOURCE = `
  mov esp, 0x7000
  mov ebp, 0
  mov ecx, 0
again:
  inc ecx
  call work
  cmp ecx, 0x7f
  jne again
  pushfd
  push cs
  push after
  iretd
after:
  mov byte [0x300000], 1
end: jmp end
work:
  push ebp
  mov ebp, esp
  mov eax, [0x200000]
  add eax, 3
  mov [0x200000], eax
  pop ebp
  ret
`;
/** Where the labels are, as the tests' commands name them. */
const SYMBOLS = /[\w]+@/g;

interface Guest {
  readonly kernel: Uint8Array;
  address(label: string): string;
}

function guest(): Guest {
  const names = [...SOURCE.matchAll(/^(\w+):/gm)].map(([, name]) => name);
  const table = names.map((name) => `  dd ${name}`).join('\n');
  const kernel = multibootKernel(`${SOURCE}\nalign 4\n  dd 0x5ab1e0ff\n${table}\n`);
  const view = new DataView(kernel.buffer, kernel.byteOffset);
  let at = 0;
  while (view.getUint32(at, true) !== 0x5ab1e0ff) at += 4;
  const addresses = new Map(names.map((name, n) => [name, view.getUint32(at + 4 + 4 * n, true)]));
  return { kernel, address: (label) => `0x${addresses.get(label)?.toString(16)}` };
}

/** Has gdb do `commands` with a machine that waits for it. @returns what it prints */
async function debug(accel: 'jit' | 'interp', commands: string, cpuCount = 1): Promise<{ text: string; vm: Vm }> {
  const { kernel, address } = guest();
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-gdb-'));
  const vm = await Vm.create({
    memoryBytes: 16 << 20,
    cpuCount,
    kernel,
    commandLine: '',
    clock: 'host',
    seed: 1n,
    noReboot: true,
    serial: [],
    accel,
    host: { monotonicNanos: () => process.hrtime.bigint(), utcMillis: () => Date.now() },
  });
  await vm.pause();
  const socket = join(folder, 'gdb');
  const stop = await serveGdb({ address: { path: socket }, wait: true }, vm);
  void vm.run();
  const script = commands.replaceAll(SYMBOLS, (name) => address(name.slice(0, -1)));
  await writeFile(join(folder, 'commands'), `set pagination off\ntarget remote ${socket}\n${script}\n`);
  try {
    const arguments_ = ['-batch', '-nx', '-x', join(folder, 'commands')];
    const { stdout } = await promisify(execFile)('gdb', arguments_, { timeout: 120_000 });
    return { text: stdout, vm };
  } finally {
    stop();
    await vm.pause();
    await rm(folder, { recursive: true });
  }
}

const absent = await promisify(execFile)('gdb', ['--version']).then(
  () => false,
  () => 'gdb is not installed',
);

for (const accel of ['jit', 'interp'] as const) {
  test(`gdb stops at breakpoints, steps and looks, ${accel}`, { skip: absent, timeout: 300_000 }, async () => {
    const { text } = await debug(
      accel,
      `print/x $pc
break *work@
continue
printf "first ecx=%d pc=%d\\n", $ecx, $pc == work@
stepi
stepi
printf "stepped ebp=%d\\n", $ebp == $esp
x/1xw $esp+4
ignore 1 125
continue
printf "last ecx=%d sum=%d\\n", $ecx, *(int*)0x200000
delete
hbreak *after@-1
continue
printf "before iret pc=%d\\n", $pc == after@-1
stepi
printf "behind iret pc=%d esp=%x\\n", $pc == after@, $esp
set var *(int*)0x200000 = 77
set $ebx = 0x12345678
printf "written %d %x\\n", *(int*)0x200000, $ebx
detach`,
    );
    assert.match(text, /^first ecx=1 pc=1$/m);
    assert.match(text, /^stepped ebp=1$/m);
    assert.match(text, /^last ecx=127 sum=378$/m);
    assert.match(text, /^before iret pc=1$/m);
    assert.match(text, /^behind iret pc=1 esp=7000$/m);
    assert.match(text, /^written 77 12345678$/m);
  });

  test(`a watchpoint is hit by the instruction that writes, ${accel}`, { skip: absent, timeout: 300_000 }, async () => {
    const { text, vm } = await debug(
      accel,
      `watch *(int*)0x200000
continue
printf "old writer pc=%d value=%d\\n", $pc - work@, *(int*)0x200000
continue
printf "next value=%d ecx=%d\\n", *(int*)0x200000, $ecx
delete
rwatch *(int*)0x200000
continue
printf "reader pc=%d\\n", $pc - work@
detach`,
    );
    assert.match(text, /^old writer pc=16 value=3$/m);
    assert.match(text, /^next value=6 ecx=2$/m);
    assert.match(text, /^reader pc=8$/m);
    const breakpoints = (await vm.debugger()).vcpus[0].engine.machineCode.debug;
    assert.equal(breakpoints.stopsCode || breakpoints.watches, false);
  });
}

test('processors are threads, and a guest that is left goes on', { skip: absent, timeout: 300_000 }, async () => {
  const { text, vm } = await debug('jit', 'info threads\nbreak *after@\ncontinue\ndetach', 2);
  assert.match(text, /Thread 1\b.*CPU 0: 32-bit code at CPL 0/);
  assert.match(text, /Thread 2\b.*CPU 1: waiting for a start-up IPI/);
  const bytes = await (await vm.debugger()).readMemory((await vm.debugger()).vcpus[0], 0x300000n, 1);
  assert.deepEqual([...bytes], [1]);
});
