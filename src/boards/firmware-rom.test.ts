import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlashStore } from '../devices/cfi-flash/cfi-flash.ts';
import { assemble } from '../isa/assemble.ts';
import { FirmwareInvalid } from './firmware-rom.ts';
import { PcMachine } from './pc-machine.ts';

const ROM_BYTES = 0x20000;

/** A ROM whose code at F000:0000 is this. */
function romOf(source: string): Uint8Array {
  const code = `
${source}
  org 0xfff0
  jmp 0xf000:0`;
  const rom = new Uint8Array(ROM_BYTES);
  rom.set(assemble(code, { bits: 16 }).bytes, ROM_BYTES - 0x10000);
  return rom;
}

function setUp(rom: Uint8Array, variables?: FlashStore) {
  let output = '';
  const machine = new PcMachine({
    memoryBytes: 16 << 20,
    clock: 'virtual',
    hostNanos: () => 0n,
    startEpochMs: 0,
    seed: 1n,
    serial: [],
    sharedMemory: false,
    wake: () => {},
    boot: { rom, variables },
    debugExitPort: 0x501,
    debugOutput: (byte) => {
      output += String.fromCharCode(byte);
    },
  });
  return { machine, end: () => machine.run(100_000), output: () => output };
}

const OUT = (character: string) => `mov al, '${character}'\n out 0xe9, al\n`;

test('a machine starts at the ROM end below 4 GiB', () => {
  const { end, output } = setUp(romOf(`${OUT('A')} mov dx, 0x501\n out dx, al`));
  assert.deepEqual(end(), { kind: 'shutdown', reason: 'debugExit', code: 0x41 });
  assert.equal(output(), 'A');
});

/** Copies the ROM onto itself, which reaches the RAM below it, then changes one byte of the copy and runs that. */
const SHADOWED = `
  mov eax, 0x80000058
  mov dx, 0xcf8
  out dx, eax
  mov dx, 0xcfd
  mov al, 0x20            ; PAM0: reads from ROM, writes to RAM
  out dx, al
  mov ax, 0xf000
  mov ds, ax
  mov es, ax
  xor si, si
  xor di, di
  mov cx, 0x8000
  rep movsw
  mov byte [patched+1], 'R'
  call patched
  mov al, 0x30            ; now both to RAM
  out dx, al
  call patched
  mov al, 0x10            ; RAM, protected
  out dx, al
  mov byte [patched+1], 'X'
  call patched
  xor al, al              ; ROM again
  out dx, al
  call patched
  mov dx, 0x501
  out dx, al
patched:
  mov al, 'r'
  out 0xe9, al
  ret`;

test('shadow RAM takes the place of the ROM for code that runs in it', () => {
  const { end, output } = setUp(romOf(`mov ax, 0x2000\n mov ss, ax\n mov sp, 0\n${SHADOWED}`));
  end();
  assert.equal(output(), 'rRRr');
});

test('the shadow of a saved machine is that of the restored one', () => {
  const rom = romOf(`mov ax, 0x2000\n mov ss, ax\n mov sp, 0\n${SHADOWED}`);
  const [a, b] = [setUp(rom), setUp(rom)];
  while (a.output().length < 2) a.machine.run(1);
  b.machine.restore(structuredClone(a.machine.save()));
  b.end();
  assert.equal(b.output(), 'Rr');
});

test('an image that is no firmware is refused in one line', () => {
  assert.throws(() => setUp(new Uint8Array(1000)), /has 1000 bytes; a multiple of 4096/);
  assert.throws(() => setUp(new Uint8Array(0x900000)), FirmwareInvalid);
  assert.throws(() => setUp(new Uint8Array(0x10000)), /no code 16 bytes before its end/);
});

/** Programs a byte of the flash chip below the ROM, and resets the machine the first time; shows the byte. */
const FLASHING = `
  lgdt [cs:gdtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  mov ax, 8
  mov es, ax
  mov eax, cr0
  and al, 0xfe
  mov cr0, eax
  mov edi, 0xfffde000
  cmp byte [es:edi], 0x5a
  je .again
  mov byte [es:edi], 0x40
  mov byte [es:edi], 0x5a
  mov byte [es:edi], 0xff
  mov dx, 0xcf9
  mov al, 6
  out dx, al
.again:
  mov dx, 0x501
  mov al, [es:edi]
  out dx, al
gdtr: dw 15
  dd 0xf0000 + gdt
gdt: dq 0, 0x00cf93000000ffff`;

test('the flash chip below the ROM keeps what the guest programs over a reset', () => {
  const content = new Uint8Array(0x2000).fill(0xff);
  const written: number[][] = [];
  const variables = { content, written: (offset: number, length: number) => void written.push([offset, length]) };
  const { machine, end } = setUp(romOf(FLASHING), variables);
  assert.deepEqual(end(), { kind: 'shutdown', reason: 'reset', code: 0 });
  machine.reset();
  assert.deepEqual(end(), { kind: 'shutdown', reason: 'debugExit', code: 0x5a });
  assert.deepEqual([content[0], written], [0x5a, [[0, 1]]]);
});

test('variables that fit no flash chip are refused in one line', () => {
  const variables = { content: new Uint8Array(100), written: () => {} };
  assert.throws(() => setUp(romOf(''), variables), /^FirmwareInvalid|the firmware's variables have 100 bytes/);
});
