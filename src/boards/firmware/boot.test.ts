import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble } from '../../isa/assemble.ts';
import { boot, bootDisk, driveOf, EXIT, screenOf } from './bios-machine.case.ts';

const CD_BLOCK_BYTES = 2048;
const CATALOG_BLOCK = 19;
const IMAGE_BLOCK = 20;
const FLOPPY_BYTES = 1440 * 1024;

/** A CD whose El Torito catalog starts an image. @param media 0 no emulation, 2 a floppy of 1.44 MB, 4 a disk */
function bootCd(media: number, image: Uint8Array): Uint8Array {
  const cd = new Uint8Array((IMAGE_BLOCK + Math.ceil(image.length / CD_BLOCK_BYTES)) * CD_BLOCK_BYTES);
  const view = new DataView(cd.buffer);
  const text = (at: number, value: string) => cd.set(new TextEncoder().encode(value), at);
  text(16 * CD_BLOCK_BYTES, '\x01CD001\x01');
  text(17 * CD_BLOCK_BYTES, '\0CD001\x01EL TORITO SPECIFICATION');
  view.setUint32(17 * CD_BLOCK_BYTES + 0x47, CATALOG_BLOCK, true);
  const catalog = CATALOG_BLOCK * CD_BLOCK_BYTES;
  cd[catalog] = 1;
  view.setUint16(catalog + 0x1c, 0x55aa, true);
  view.setUint16(catalog + 0x1e, 0xaa55, true);
  cd[catalog + 0x20] = 0x88;
  cd[catalog + 0x21] = media;
  view.setUint16(catalog + 0x26, media === 0 ? 4 : 1, true);
  view.setUint32(catalog + 0x28, IMAGE_BLOCK, true);
  cd.set(image, IMAGE_BLOCK * CD_BLOCK_BYTES);
  return cd;
}

/** Reads by cylinder, head and sector and shows the first byte, then shows the number of the drive. */
const readAndTell = (cylinder: number, sector: number) => `
  mov [drive], dl
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ax, 0x0201
  mov bx, 0x9000
  mov cx, ${cylinder * 256 + sector}
  mov dh, 0
  int 0x13
  jc .fail
  mov al, [0x9000]
  out 0xe9, al
.fail:
  mov al, [drive]
  ${EXIT}
drive: db 0`;

test('a CD starts its image without emulation, with the drive in DL', async () => {
  const code = assemble(`mov al, dl\n${EXIT}`, { bits: 16, origin: 0x7c00 }).bytes;
  const { exit } = await boot(new Uint8Array(0), {}, [driveOf('cdrom', bootCd(0, code))]);
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0xe0 });
});

/** Asks (INT 13h, AX = 4B01h) what CD the drive in DL was booted from, and ends with the kind of its image, or with AH. */
const ASK_FOR_CD = `
  xor ax, ax
  mov ds, ax
  mov ax, 0x4b01
  mov si, 0x9000
  int 0x13
  mov al, [0x9001]
  jnc .end
  mov al, ah
.end:
  ${EXIT}`;

test('a drive says that it is a CD only when it is one', async () => {
  const code = assemble(ASK_FOR_CD, { bits: 16, origin: 0x7c00 }).bytes;
  const cd = await boot(new Uint8Array(0), {}, [driveOf('cdrom', bootCd(0, code))]);
  assert.deepEqual(cd.exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
  const disk = await boot(bootDisk(ASK_FOR_CD));
  assert.deepEqual(disk.exit, { kind: 'shutdown', reason: 'debugExit', code: 1 });
});

test('a floppy that a CD stands for is drive 0 and is read by its geometry', async () => {
  const floppy = new Uint8Array(FLOPPY_BYTES);
  floppy.set(bootDisk(readAndTell(1, 2)).subarray(0, 512));
  floppy.fill(0x77, 37 * 512, 38 * 512); // cylinder 1, head 0, sector 2
  const { output, exit } = await boot(new Uint8Array(0), {}, [driveOf('cdrom', bootCd(2, floppy))]);
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
  assert.equal(output.charCodeAt(0), 0x77);
});

test('a disk that a CD stands for is drive 80h, before the others', async () => {
  const image = bootDisk(readAndTell(0, 3));
  const { output, exit } = await boot(new Uint8Array(1 << 20), { bootOrder: ['cd'] }, [
    driveOf('cdrom', bootCd(4, image)),
  ]);
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0x80 });
  assert.equal(output.charCodeAt(0), 2);
});

test('a CD that is not bootable is told', async () => {
  const { machine } = await boot(new Uint8Array(0), {}, [driveOf('cdrom', new Uint8Array(100 * CD_BLOCK_BYTES))]);
  assert.match(screenOf(machine).join('\n'), /Boot failed: the CD is not bootable/);
});

/** An option ROM. @param init what its entry does  @param bootstrap what it does to boot; absent where it cannot */
function optionRom(init: string, bootstrap?: string): Uint8Array {
  const source = `
  db 0x55, 0xaa, 1
  jmp init
  org 0x1a
  dw header
  org 0x20
header: db "$PnP", 1, 2
  dw 0
  db 0, 0
  dd 0
  dw 0, 0
  db 2, 0, 0, 0
  dw 0, 0
  dw ${bootstrap === undefined ? 0 : 'bootstrap'}
  dw 0, 0
init:
  ${init}
  retf
bootstrap:
  ${bootstrap ?? ''}
  retf
  org 0x1ff
  db 0`;
  const { bytes } = assemble(source, { bits: 16 });
  const rom = new Uint8Array(512);
  rom.set(bytes);
  rom[511] = -rom.reduce((sum, byte) => sum + byte, 0);
  return rom;
}

const say = (character: string) => `mov al, '${character}'\n out 0xe9, al`;

test('option ROMs are started in turn, before anything is booted', async () => {
  const files = ['A', 'B'].map((name) => [`genroms/${name}.rom`, optionRom(say(name))] as const);
  const { output } = await boot(bootDisk(`${say('C')}\n${EXIT}`), { files });
  assert.equal(output, 'ABC');
});

test('the network is booted by the ROM that can, and what comes next where it returns', async () => {
  const files = [['genroms/net.rom', optionRom(say('i'), say('n'))]] as const;
  const { machine, output } = await boot(bootDisk(`${say('d')}\n${EXIT}`), { files, bootOrder: ['net', 'disk'] });
  assert.equal(output, 'ind');
  assert.match(screenOf(machine).join('\n'), /Booting from Network\.\.\.\s+Booting from Hard Disk\.\.\./);
});

test('the network is booted by a ROM that has changed itself and not its sum', async () => {
  const files = [['genroms/net.rom', optionRom('mov byte [cs:0x1f0], 1', say('n'))]] as const;
  const { output } = await boot(bootDisk(EXIT), { files, bootOrder: ['net', 'disk'] });
  assert.equal(output, 'n');
});

test('a disk is started within a tenth of a second of guest time', async () => {
  const { machine } = await boot(bootDisk(EXIT));
  assert.ok(machine.clock.nowNanos() < 100_000_000n, `${machine.clock.nowNanos()} ns`);
});
