import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader } from '../../base/bytes.ts';
import { bzImage, type Header } from './bz-image.case.ts';
import { type BootImage, BootImageInvalid, type BootOptions, loadKernel } from './index.ts';

const MIB = 0x100000;

function load(header: Header = {}, options: Partial<BootOptions> = {}): BootImage {
  return loadKernel({
    name: 'vmlinuz',
    kernel: bzImage(header),
    commandLine: 'quiet',
    ramBytes: 256 * MIB,
    ...options,
  });
}

function writeAt(image: BootImage, gpa: number): ByteReader {
  const write = image.writes.find((candidate) => candidate.gpa === gpa);
  assert.ok(write, `nothing at 0x${gpa.toString(16)}`);
  return new ByteReader(write.bytes);
}

function params(image: BootImage): ByteReader {
  return writeAt(image, Number(image.cpu.rsi));
}

test('a 64-bit kernel starts in long mode at its 64-bit entry, mapped to itself', () => {
  const image = load();
  assert.equal(image.cpu.mode, 'long64');
  assert.equal(image.cpu.rip, 0x1000200n);
  assert.equal(writeAt(image, 0x1000000).u32(0), 0x90909090);
  const tables = writeAt(image, Number(image.cpu.cr3));
  for (const address of [0, 0x1234567, 0xffe00000]) {
    const cr3 = Number(image.cpu.cr3);
    const entry = (table: number, index: number) => Number(tables.u64(table - cr3 + index * 8));
    const level3 = entry(cr3, 0) & ~0xfff;
    const level2 = entry(level3, Math.floor(address / 2 ** 30)) & ~0xfff;
    const page = entry(level2, Math.floor(address / 2 ** 21) & 511);
    assert.equal(page, Math.floor(address / 2 ** 21) * 2 ** 21 + 0x83);
  }
});

test('the descriptor tables are flat and of the mode', () => {
  for (const [entry, code] of [
    ['protected32', 0x00cf9b000000ffffn],
    ['long64', 0x00af9b000000ffffn],
  ] as const) {
    const { cpu, ...image } = load({}, { entry });
    const gdt = writeAt({ cpu, ...image }, cpu.gdt.gpa);
    assert.equal(gdt.u64(cpu.codeSelector), code);
    assert.equal(gdt.u64(cpu.dataSelector), 0x00cf93000000ffffn);
    assert.equal(gdt.length, cpu.gdt.limit + 1);
  }
});

test('a kernel without 64-bit entry starts in protected mode at its load address', () => {
  const { cpu } = load({ xloadFlags: 0 });
  assert.deepEqual([cpu.mode, cpu.rip, cpu.cr3], ['protected32', 0x1000000n, 0n]);
  assert.throws(() => load({ xloadFlags: 0 }, { entry: 'long64' }), BootImageInvalid);
});

test('a kernel that cannot move loads where its header says', () => {
  assert.equal(load({ relocatable: 0, xloadFlags: 0 }).cpu.rip, 0x100000n);
});

test('a relocatable kernel loads at 1 MiB where its preferred address has no room', () => {
  assert.equal(load({}, { ramBytes: 20 * MIB }).cpu.rip, 0x100200n);
});

test('boot_params carry the header, the loader and the command line', () => {
  const image = load({}, { rsdpGpa: 0xf0000 });
  const zero = params(image);
  assert.equal(zero.length, 4096);
  assert.equal(zero.u32(0x202), 0x53726448);
  assert.equal(zero.u16(0x236), 1);
  assert.equal(zero.u8(0x210), 0xff);
  assert.equal(zero.u32(0x214), 0x1000000);
  assert.equal(zero.u64(0x70), 0xf0000n);
  assert.equal(Buffer.from(writeAt(image, zero.u32(0x228)).bytes).toString(), 'quiet\0');
});

test('the memory map is handed over', () => {
  const zero = params(load({}, { ramBytes: 6144 * MIB }));
  const map = Array.from({ length: zero.u8(0x1e8) }, (_, i) => {
    const at = 0x2d0 + i * 20;
    return [Number(zero.u64(at)), Number(zero.u64(at + 8)), zero.u32(at + 16)];
  });
  assert.deepEqual(map, [
    [0, 0x9fc00, 1],
    [0x9fc00, 0x400, 2],
    [0xe0000, 0x20000, 2],
    [0x100000, 0xbff00000, 1],
    [2 ** 32, 3 * 2 ** 30, 1],
  ]);
  assert.equal(zero.u32(0x1e0), 0xbff00000 / 1024);
});

test('the initrd lies page-aligned below the top of RAM', () => {
  const initrd = new Uint8Array(5000).fill(7);
  const image = load({}, { initrd });
  const zero = params(image);
  assert.equal(zero.u32(0x218), 256 * MIB - 8192);
  assert.equal(zero.u32(0x21c), 5000);
  assert.deepEqual(writeAt(image, zero.u32(0x218)).bytes, initrd);
});

test('the initrd lies below the highest address the kernel takes', () => {
  const initrd = new Uint8Array(4096);
  assert.equal(params(load({ initrdMax: 0x7ffffff }, { initrd })).u32(0x218), 0x7fff000);
  assert.equal(
    params(load({ version: 0x202, xloadFlags: 0, relocatable: 0 }, { initrd, ramBytes: 2048 * MIB })).u32(0x218),
    0x37fff000,
  );
});

test('there is no initrd where none was given', () => {
  const zero = params(load());
  assert.deepEqual([zero.u32(0x218), zero.u32(0x21c)], [0, 0]);
});

test('an old protocol has no fields that came later', () => {
  const image = load({ version: 0x204 });
  assert.deepEqual([image.cpu.mode, image.cpu.rip], ['protected32', 0x100000n]);
  assert.throws(() => load({ version: 0x204 }, { commandLine: 'x'.repeat(256) }), /256 bytes, the kernel takes 255/);
});

test('a setup sector count of zero means four', () => {
  assert.equal(load({ setupSectors: 0 }).cpu.rip, 0x1000200n);
});

test('the last sixteen bytes that a kernel is said to have need not all be there', () => {
  assert.equal(load({}, { kernel: bzImage().subarray(0, -15) }).cpu.rip, 0x1000200n);
});

const REFUSED: readonly [string, RegExp, () => BootImage][] = [
  ['an empty file', /empty/, () => load({}, { kernel: new Uint8Array() })],
  ['noise', /neither a Linux bzImage nor a multiboot/, () => load({}, { kernel: new Uint8Array(70000).fill(0x5a) })],
  [
    'a kernel cut in its body',
    /truncated: it has 18928 of 18929 bytes/,
    () => load({}, { kernel: bzImage().subarray(0, -16) }),
  ],
  ['a kernel cut in its header', /truncated/, () => load({}, { kernel: bzImage().subarray(0, 0x220) })],
  ['a kernel cut after its signature', /truncated/, () => load({}, { kernel: bzImage().subarray(0, 0x206) })],
  ['a kernel without body', /truncated/, () => load({ payloadBytes: 0 })],
  [
    'a kernel for real mode',
    /only be started in real mode/,
    () => load({ version: 0x207, relocatable: 0, codeStart: 0 }),
  ],
  ['a zImage', /no bzImage/, () => load({ loadFlags: 0 })],
  ['protocol 2.01', /2\.02 or later: its protocol is 2\.01/, () => load({ version: 0x201 })],
  ['a machine too small', /needs 9 MiB of memory, the machine has 8 MiB/, () => load({}, { ramBytes: 8 * MIB })],
  [
    'an initrd too large',
    /initrd of 240 MiB does not fit in the 232 MiB/,
    () => load({}, { initrd: new Uint8Array(240 * MIB) }),
  ],
  ['a long command line', /3000 bytes, the kernel takes 2047/, () => load({}, { commandLine: 'x'.repeat(3000) })],
];

for (const [what, message, attempt] of REFUSED) {
  test(`${what} is refused in one line`, () => {
    assert.throws(attempt, (error: unknown) => {
      assert.ok(error instanceof BootImageInvalid);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });
}

test('random headers are loaded or refused, and what is loaded lies in RAM', () => {
  let seed = 7;
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed >>> 8;
  };
  for (let round = 0; round < 500; round++) {
    const kernel = bzImage();
    for (let i = 0; i < 4; i++) kernel[0x1f1 + (random() % 0x77)] = random();
    try {
      const { writes } = load({}, { kernel });
      for (const { gpa, bytes } of writes) assert.ok(gpa >= 0 && gpa + bytes.length <= 256 * MIB);
    } catch (error) {
      if (!(error instanceof BootImageInvalid)) throw error;
    }
  }
});
