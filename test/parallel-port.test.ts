import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bootDisk } from '../src/boards/firmware/bios-machine.case.ts';
import { projectRoot } from './source-files.ts';

const EXIT_PORT = 0x501;
const SUCCESS = 1;
const INTERRUPT_7 = 0x0f * 4;

/**
 * Prints by the BIOS: a text, what INT 17h says of the printer, the port in the BIOS's data area and how many printers
 * INT 11h counts. Then it prints a letter itself, with the interrupt enabled, and another in the interrupt's handler.
 */
const SOURCE = `
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  mov ah, 1
  xor dx, dx
  int 0x17
  mov si, text
next:
  lodsb
  test al, al
  jz told
  call print
  jmp next
told:
  mov ah, 2
  xor dx, dx
  int 0x17
  and ah, 0xf9
  mov al, ah
  call print
  mov al, [0x408]
  call print
  mov al, [0x409]
  call print
  int 0x11
  mov al, ah
  mov cl, 6
  shr al, cl
  call print
  mov word [${INTERRUPT_7}], handler
  mov word [${INTERRUPT_7} + 2], 0
  in al, 0x21
  and al, 0x7f
  out 0x21, al
  sti
  mov dx, 0x378
  mov al, 'X'
  out dx, al
  inc dx
  inc dx
  mov al, 0x1d
  out dx, al
  mov al, 0x1c
  out dx, al
wait:
  cmp byte [seen], 0
  je wait
  mov al, 0
  mov dx, ${EXIT_PORT}
  out dx, al
stay: jmp stay
print:
  mov ah, 0
  xor dx, dx
  int 0x17
  ret
handler:
  mov dx, 0x379
  in al, dx
  inc dx
  mov al, 0x0c
  out dx, al
  mov al, 0x20
  out 0x20, al
  cmp byte [seen], 0
  jne again
  mov al, 'Y'
  call print
  inc byte [seen]
again:
  iret
seen: db 0
text: db "Hello, printer", 13, 10, 0`;

const PRINTED = Buffer.concat([Buffer.from('Hello, printer\r\n'), Buffer.of(0x90, 0x78, 0x03, 1), Buffer.from('XY')]);

describe('the parallel port', { timeout: 60_000 }, () => {
  let folder = '';
  let disk = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vitrine-parallel-'));
    disk = join(folder, 'disk.img');
    await writeFile(disk, bootDisk(SOURCE));
  });
  after(() => rm(folder, { recursive: true }));

  it('prints into a file', async () => {
    const paper = join(folder, 'paper');
    const run = [join(projectRoot, 'bin/vitrine'), 'run', '--disk', `${disk},format=raw`, '--memory', '32M'];
    const ports = ['--serial', 'none', '--parallel', `file:${paper}`, '--debug-exit', `${EXIT_PORT}`];
    const { status, stderr } = spawnSync(process.execPath, [...run, ...ports], { timeout: 20_000 });
    assert.equal(status, SUCCESS, String(stderr));
    assert.deepEqual(await readFile(paper), PRINTED);
  });

  it('prints the same under QEMU', async (t) => {
    if (spawnSync('qemu-system-x86_64', ['--version']).status !== 0) return t.skip('no qemu-system-x86_64 here');
    const paper = join(folder, 'paper-of-qemu');
    const machine = ['-machine', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-m', '32'];
    const drive = ['-drive', `file=${disk},format=raw,if=ide`, '-parallel', `file:${paper}`];
    const exit = ['-device', `isa-debug-exit,iobase=${EXIT_PORT}`];
    const run = spawnSync('qemu-system-x86_64', [...machine, ...drive, ...exit], { timeout: 20_000 });
    assert.equal(run.status, SUCCESS, String(run.stderr));
    assert.deepEqual(await readFile(paper), PRINTED);
  });
});
