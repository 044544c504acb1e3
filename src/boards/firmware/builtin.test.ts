import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot, bootDisk, DISK_SECTORS, EXIT, SECTOR_BYTES, screenOf } from './bios-machine.case.ts';

test('the boot sector of a disk is started, with the drive in DL', async () => {
  const { machine, exit } = await boot(bootDisk(`mov al, dl\n${EXIT}`));
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0x80 });
  assert.match(screenOf(machine).join('\n'), /Booting from Hard Disk\.\.\./);
});

test('a disk without a boot sector is told, and that nothing is left to boot', async () => {
  const { machine } = await boot(new Uint8Array(DISK_SECTORS * SECTOR_BYTES));
  const screen = screenOf(machine).join('\n');
  assert.match(screen, /Boot failed: not a bootable disk/);
  assert.match(screen, /No bootable device\./);
});

test('sectors are read and written by cylinder and by number', async () => {
  const disk = bootDisk(`
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ax, 0x0201            ; head 1, sector 2: number 64
  mov bx, 0x9000
  mov cx, 2
  mov dx, 0x0180
  int 0x13
  jc fail
  mov al, [0x9000]
  out 0xe9, al
  mov ah, 0x42
  mov si, packet
  int 0x13
  jc fail
  mov al, [0x9000]
  out 0xe9, al
  mov al, [0x9200]
  out 0xe9, al
  mov byte [0x9000], 'w'
  mov ah, 0x43
  mov si, packet
  int 0x13
  jc fail
fail:
  mov al, ah
  ${EXIT}
packet: db 16, 0
  dw 2, 0x9000, 0
  dq 100`);
  const { output, exit } = await boot(disk);
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
  assert.deepEqual(
    [...output].map((character) => character.charCodeAt(0)),
    [64, 100, 101],
  );
  assert.equal(disk[100 * SECTOR_BYTES], 'w'.charCodeAt(0));
});

test('the memory map has RAM below the extended data area and above 1 MiB', async () => {
  const { machine } = await boot(
    bootDisk(`
  xor ax, ax
  mov ds, ax
  mov es, ax
  xor ebx, ebx
  mov di, 0x9000
.next:
  mov eax, 0xe820
  mov edx, 0x534d4150
  mov ecx, 20
  int 0x15
  jc .end
  add di, 20
  or ebx, ebx
  jnz .next
.end:
  mov [0x8ffc], di
  ${EXIT}`),
  );
  const memory = machine.ram;
  const end = new DataView(memory.forRead(0x8ffc, 2).slice().buffer).getUint16(0, true);
  const view = new DataView(memory.forRead(0x9000, end - 0x9000).slice().buffer);
  const entries = Array.from({ length: (end - 0x9000) / 20 }, (_, i) => [
    Number(view.getBigUint64(i * 20, true)),
    Number(view.getBigUint64(i * 20 + 8, true)),
    view.getUint32(i * 20 + 16, true),
  ]);
  assert.deepEqual(entries[0], [0, 0x9f000, 1]);
  assert.deepEqual(entries.at(-1), [0x100000, 31 << 20, 1]);
});
