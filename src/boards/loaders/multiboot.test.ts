import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { RamMemory } from '../../machine/guest-memory.ts';
import { type BootImage, BootImageInvalid, type BootOptions, loadKernel, writeBootImage } from './index.ts';

const MIB = 0x100000;
const MAGIC = 0x1badb002;

function multibootHeader(flags: number, addresses: readonly number[] = []): Uint8Array {
  const writer = new ByteWriter()
    .u32(MAGIC)
    .u32(flags)
    .u32(-(MAGIC + flags));
  for (const address of addresses) writer.u32(address);
  return writer.finish();
}

/** An ELF file with one segment: the multiboot header, then 0xcc. */
function elf32(options: Partial<Record<'gpa' | 'virtual' | 'memoryBytes' | 'flags' | 'machine', number>> = {}) {
  const { gpa, memoryBytes, flags, machine } = { gpa: MIB, memoryBytes: 100, flags: 3, machine: 3, ...options };
  const [virtual, fileBytes] = [options.virtual ?? gpa, 64];
  const writer = new ByteWriter().append([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]).zeros(9);
  writer
    .u16(2)
    .u16(machine)
    .u32(1)
    .u32(virtual + 16)
    .u32(52)
    .u32(0)
    .u32(0)
    .u16(52)
    .u16(32)
    .u16(1)
    .zeros(6);
  writer.u32(1).u32(84).u32(virtual).u32(gpa).u32(fileBytes).u32(memoryBytes).u32(7).u32(4);
  const header = multibootHeader(flags);
  return writer
    .append(header)
    .append(new Uint8Array(fileBytes - header.length).fill(0xcc))
    .finish();
}

function elf64(virtual: bigint): Uint8Array {
  const writer = new ByteWriter().append([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).zeros(9);
  writer
    .u16(2)
    .u16(62)
    .u32(1)
    .u64(virtual + 8n)
    .u64(64n)
    .u64(0n)
    .u32(0)
    .u16(64)
    .u16(56)
    .u16(1)
    .zeros(6);
  writer
    .u32(1)
    .u32(7)
    .u64(120n)
    .u64(virtual)
    .u64(BigInt(2 * MIB))
    .u64(32n)
    .u64(32n)
    .u64(4n);
  return writer.append(multibootHeader(0)).zeros(20).finish();
}

function load(kernel: Uint8Array, options: Partial<BootOptions> = {}): BootImage {
  return loadKernel({ name: 'test.elf', kernel, commandLine: 'a=1', ramBytes: 16 * MIB, ...options });
}

function writeAt(image: BootImage, gpa: number): ByteReader {
  const write = image.writes.find((candidate) => candidate.gpa === gpa);
  assert.ok(write, `nothing at 0x${gpa.toString(16)}`);
  return new ByteReader(write.bytes);
}

/** The boot information and a reader of C strings that it points to. */
function information(image: BootImage) {
  const base = Number(image.cpu.rbx);
  const info = writeAt(image, base);
  const text = (gpa: number) =>
    Buffer.from(info.bytes.subarray(gpa - base))
      .toString('latin1')
      .split('\0')[0];
  return { base, info, text };
}

test('an ELF kernel starts in flat protected mode with the magic in EAX', () => {
  const { cpu, zeros, ...image } = load(elf32());
  assert.deepEqual([cpu.mode, cpu.rip, cpu.rax], ['protected32', BigInt(MIB + 16), 0x2badb002n]);
  assert.equal(writeAt({ cpu, zeros, ...image }, MIB).length, 64);
  assert.deepEqual(zeros, [{ gpa: MIB + 64, length: 36 }]);
});

test('an entry point is translated to its physical address', () => {
  assert.equal(load(elf32({ virtual: 0xc0100000 })).cpu.rip, BigInt(MIB + 16));
  assert.equal(load(elf64(0xffffffff80200000n)).cpu.rip, BigInt(2 * MIB + 8));
});

test('a header with addresses is loaded by them', () => {
  const body = new Uint8Array(40).fill(0xee);
  const load1 = 2 * MIB;
  const header = (loadEnd: number) => multibootHeader(0x10000, [load1 + 4, load1, loadEnd, load1 + 200, load1 + 36]);
  const file = (loadEnd: number) => new ByteWriter().zeros(16).zeros(4).append(header(loadEnd)).append(body).finish();
  const image = load(file(load1 + 50));
  assert.equal(image.cpu.rip, BigInt(load1 + 36));
  assert.equal(writeAt(image, load1).u32(4), MAGIC);
  assert.equal(writeAt(image, load1).length, 50);
  assert.deepEqual(image.zeros, [{ gpa: load1 + 50, length: 150 }]);
  assert.equal(writeAt(load(file(0)), load1).length, file(0).length - 16);
  assert.throws(() => load(file(load1 + 1000)), /truncated: it has 92 bytes and loads up to byte 1016/);
});

test('the boot information has memory sizes, command line and loader', () => {
  const { info, text } = information(load(elf32()));
  assert.equal(info.u32(0) & 0x245, 0x245);
  assert.deepEqual([info.u32(4), info.u32(8)], [639, 15 * 1024]);
  assert.equal(text(info.u32(16)), 'test.elf a=1');
  assert.equal(text(info.u32(64)), 'vitrine');
});

test('the boot information has the memory map', () => {
  const { base, info } = information(load(elf32()));
  const [length, at] = [info.u32(44), info.u32(48) - base];
  assert.equal(length, 4 * 24);
  assert.deepEqual([info.u32(at), info.u64(at + 4), info.u64(at + 12), info.u32(at + 20)], [20, 0n, 0x9fc00n, 1]);
  assert.deepEqual([info.u64(at + 76), info.u64(at + 84)], [BigInt(MIB), BigInt(15 * MIB)]);
});

test('the initrd is a page-aligned module behind the kernel', () => {
  const initrd = Uint8Array.of(1, 2, 3);
  const image = load(elf32(), { initrd });
  const { base, info } = information(image);
  assert.equal(info.u32(20), 1);
  const module = info.u32(24) - base;
  assert.deepEqual([info.u32(module), info.u32(module + 4)], [MIB + 4096, MIB + 4099]);
  assert.deepEqual(writeAt(image, MIB + 4096).bytes, initrd);
  assert.equal(information(load(elf32())).info.u32(20), 0);
});

test('loading clears what the kernel wants zero', () => {
  const ram = new Uint8Array(2 * MIB).fill(0xaa);
  const host = { bytes: ram, pageFlags: new Uint8Array(512), ramOffset: 0 };
  const hooks = { codeWrite: () => {}, firstWrite: () => {} };
  const memory = new RamMemory(host, [{ gpa: 0, length: ram.length, hostOffset: 0 }], hooks);
  writeBootImage(memory, load(elf32(), { ramBytes: ram.length }));
  assert.deepEqual([...ram.subarray(MIB + 62, MIB + 66)], [0xcc, 0xcc, 0, 0]);
  assert.deepEqual([...ram.subarray(MIB + 98, MIB + 102)], [0, 0, 0xaa, 0xaa]);
});

const REFUSED: readonly [string, RegExp, () => BootImage][] = [
  ['an unknown required feature', /requires unknown features 0x8/, () => load(elf32({ flags: 8 }))],
  ['an ELF for another machine', /no executable for an x86/, () => load(elf32({ machine: 40 }))],
  ['a segment beyond RAM', /where the machine has no free memory/, () => load(elf32({ gpa: 16 * MIB }))],
  ['a segment over the BIOS', /loads at 0xf0000 to 0xf0064/, () => load(elf32({ gpa: 0xf0000 }))],
  ['a segment over the boot information', /no free memory/, () => load(elf32({ gpa: 0x8ffff }))],
  ['memory bigger than the machine', /no free memory/, () => load(elf32({ memoryBytes: 0xfff00000 }))],
  ['a truncated segment', /truncated/, () => load(elf32().subarray(0, 100))],
  [
    'a file that is no ELF',
    /no ELF file/,
    () => load(new ByteWriter().zeros(64).append(multibootHeader(0)).zeros(64).finish()),
  ],
  ['a truncated address header', /truncated inside its header/, () => load(multibootHeader(0x10000, [1]))],
  ['a module too large', /module of 16 MiB does not fit/, () => load(elf32(), { initrd: new Uint8Array(16 * MIB) })],
  ['a long command line', /too long for multiboot/, () => load(elf32(), { commandLine: 'x'.repeat(70000) })],
];

for (const [what, message, attempt] of REFUSED) {
  test(`${what} is refused in one line`, () => {
    assert.throws(attempt, (error: unknown) => error instanceof BootImageInvalid && message.test(error.message));
  });
}

test('random damage is loaded or refused, and what is loaded lies in RAM', () => {
  let seed = 3;
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed >>> 8;
  };
  for (let round = 0; round < 500; round++) {
    const kernel = round % 2 ? elf32() : elf64(0xffffffff80200000n);
    for (let i = 0; i < 3; i++) kernel[random() % 120] = random();
    try {
      const { writes, zeros } = load(kernel);
      for (const { gpa, bytes } of writes) assert.ok(gpa >= 0 && gpa + bytes.length <= 16 * MIB);
      for (const { gpa, length } of zeros) assert.ok(length >= 0 && gpa + length <= 16 * MIB);
    } catch (error) {
      if (!(error instanceof BootImageInvalid)) throw error;
    }
  }
});
