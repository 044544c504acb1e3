import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot, bootDisk, DISK_SECTORS, driveOf, EXIT, SECTOR_BYTES } from '../bios-machine.case.ts';

/** Says DL, how many disks there are, and the first byte of sectors that it reads by cylinder and by packet. */
const READS = `
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  mov [drive], dl
  mov al, dl
  out 0xe9, al
  mov al, [0x475]
  out 0xe9, al
  mov ax, 0x0203              ; three sectors, to an odd place
  mov bx, 0x9001
  mov cx, 0x0005
  mov dh, 0
  int 0x13
  jc failed
  mov al, [0x9001]
  out 0xe9, al
  mov al, [0x9001 + 1024]
  out 0xe9, al
  mov ah, 0x42                ; 200 sectors, over the end of a segment
  mov dl, [drive]
  mov si, packet
  int 0x13
  jc failed
  mov ax, 0x1800
  mov es, ax
  mov al, [es:0x8000]
  out 0xe9, al
  mov ax, 0x3000
  mov es, ax
  mov al, [es:0x4600]
  out 0xe9, al
  mov ax, 0
  mov es, ax
  mov ah, 0x42                ; four sectors into video memory, which is no RAM
  mov dl, [drive]
  mov si, screen
  int 0x13
  jc failed
  mov ax, 0xb800
  mov es, ax
  mov al, [es:4096]
  out 0xe9, al
  mov al, 0
  jmp done
failed:
  mov al, ah
done:
  ${EXIT}
drive: db 0
packet: db 16, 0
  dw 200, 0x8000, 0x1800
  dd 300, 0
screen: db 16, 0
  dw 4, 4096, 0xb800
  dd 7, 0`;

const expected = (first: number, count: number) => [first, count, 4, 6, 300 & 0xff, (300 + 163) & 0xff, 7];
const bytesOf = (output: string) => Array.from(output, (letter) => letter.charCodeAt(0));
const NO_DISK = new Uint8Array(0);

for (const bus of ['virtio', 'ahci'] as const) {
  test(`a disk on ${bus} is booted from and read`, async () => {
    const { exit, output } = await boot(NO_DISK, {}, [driveOf('disk', bootDisk(READS), bus)]);
    assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
    assert.deepEqual(bytesOf(output), expected(0x80, 1));
  });

  test(`a disk on ${bus} is written and verified`, async () => {
    const disk = bootDisk(`
      xor ax, ax
      mov ds, ax
      mov es, ax
      mov ax, 0x0302
      mov bx, 0x7c00
      mov cx, 0x0009
      mov dh, 0
      int 0x13
      jc failed
      mov ax, 0x0409
      mov cx, 0x0001
      mov dh, 0
      int 0x13
      jc failed
      mov ax, 0x3000
      mov es, ax
      mov ax, 0x0201
      mov bx, 0
      mov cx, 0x0000
      int 0x13
      jnc failed
      mov al, 0
      jmp done
    failed:
      mov al, ah
      inc al
    done:
      ${EXIT}`);
    const sector = disk.slice(0, SECTOR_BYTES);
    const { exit } = await boot(NO_DISK, {}, [driveOf('disk', disk, bus)]);
    assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
    assert.deepEqual(disk.slice(8 * SECTOR_BYTES, 9 * SECTOR_BYTES), sector);
    assert.equal(disk[10 * SECTOR_BYTES], 10);
  });
}

/** Reads the last sector of each of the disks from 80h on, in turns, and says its first byte. */
const READS_ALL = `
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov cx, 2
turn:
  push cx
  mov dl, 0x80
next:
  push dx
  mov ah, 0x42
  mov si, packet
  int 0x13
  pop dx
  jc failed
  mov al, [0x9000]
  out 0xe9, al
  inc dl
  mov al, dl
  sub al, 0x80
  cmp al, [0x475]
  jb next
  pop cx
  loop turn
  mov al, 0
  jmp done
failed:
  mov al, ah
done:
  ${EXIT}
packet: db 16, 0
  dw 1, 0x9000, 0
  dd ${DISK_SECTORS - 1}, 0`;

test('several disks of all kinds are found, IDE first, then AHCI and virtio', async () => {
  const mark = (value: number, disk: Uint8Array = new Uint8Array(DISK_SECTORS * SECTOR_BYTES)) => {
    disk.fill(value, (DISK_SECTORS - 1) * SECTOR_BYTES);
    return disk;
  };
  const { exit, output } = await boot(NO_DISK, {}, [
    driveOf('disk', mark(5), 'virtio'),
    driveOf('disk', mark(6), 'virtio'),
    driveOf('disk', mark(3), 'ahci'),
    driveOf('disk', mark(4), 'ahci'),
    driveOf('disk', mark(1, bootDisk(READS_ALL))),
    driveOf('disk', mark(2)),
  ]);
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
  assert.deepEqual(bytesOf(output), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
});

test('a disk that fails gives an error', async () => {
  for (const bus of ['virtio', 'ahci'] as const) {
    const drive = driveOf('disk', bootDisk(READS), bus);
    let reads = 0;
    const medium = {
      ...drive.medium,
      read: async (offset: number, target: Uint8Array) => {
        if (reads++ > 0) throw new Error('broken');
        await drive.medium.read(offset, target);
      },
    };
    const { exit } = await boot(NO_DISK, {}, [{ ...drive, medium }]);
    assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0x10 }, bus);
  }
});
