import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble } from '../../isa/assemble.ts';
import type { BlockDevice } from '../../machine/interfaces.ts';
import { PcMachine } from '../pc-machine.ts';

const SECTOR_BYTES = 512;
const DISK_SECTORS = 2048;
const MOST_NANOS = 3_000_000_000n;

/** A disk that is bytes in memory. */
function diskOf(bytes: Uint8Array): BlockDevice {
  return {
    sizeBytes: bytes.length,
    readOnly: false,
    read: async (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
    write: async (offset, source) => bytes.set(source, offset),
    flush: async () => {},
    discard: async () => {},
    close: async () => {},
  };
}

/** A disk whose boot sector is this code; each sector behind it holds its own number. */
function bootDisk(source: string): Uint8Array {
  const disk = new Uint8Array(DISK_SECTORS * SECTOR_BYTES);
  for (let n = 1; n < DISK_SECTORS; n++) disk.fill(n, n * SECTOR_BYTES, (n + 1) * SECTOR_BYTES);
  const code = `${source}\n org 0x7dfe\n dw 0xaa55`;
  disk.set(assemble(code, { bits: 16, origin: 0x7c00 }).bytes);
  return disk;
}

/** Boots from a disk until the guest ends the run. */
async function boot(disk: Uint8Array) {
  let output = '';
  const machine = new PcMachine({
    memoryBytes: 32 << 20,
    clock: 'virtual',
    hostNanos: () => 0n,
    startEpochMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    seed: 1n,
    serial: [],
    sharedMemory: false,
    wake: () => {},
    drives: [{ kind: 'disk', bus: 'ide', name: 'disk', medium: diskOf(disk) }],
    boot: { rom: 'builtin' },
    debugExitPort: 0x501,
    debugOutput: (byte) => {
      output += String.fromCharCode(byte);
    },
  });
  for (;;) {
    const exit = machine.run(100_000);
    if (exit.kind === 'shutdown' || machine.clock.nowNanos() > MOST_NANOS) return { machine, output, exit };
    await new Promise(setImmediate);
    if (exit.kind === 'halted' && !machine.awake) machine.skipIdle();
  }
}

const EXIT = 'mov dx, 0x501\n out dx, al\n';

/** The text of the screen, line by line. */
function screenOf({ board }: PcMachine): string[] {
  return Array.from({ length: 25 }, (_, row) => {
    const cells = Array.from({ length: 80 }, (_, column) => board.mmio.read(0xb8000 + (row * 80 + column) * 2, 1));
    return String.fromCharCode(...cells).trimEnd();
  });
}

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
