import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ByteReader, concatenate } from '../../base/bytes.ts';
import { SAMPLES } from '../../base/xz/xz.case.ts';
import { pcRamRegions, RamMemory } from '../../machine/guest-memory.ts';
import { bzImage } from './bz-image.case.ts';
import { type BootImage, type BootOptions, loadKernel, writeBootImage } from './index.ts';
import { type UnpackedStore, unpackLinux } from './unpack.ts';

const MIB = 0x100000;
const RAM_BYTES = 256 * MIB;
const BASE = 0x1000000;
const VIRTUAL_64 = 0xffffffff81000000n;
const VIRTUAL_32 = 0xc1000000n;
const ENTRY = BASE + 0x40;

/** Where the test kernels hold addresses, from their start on. */
const SITE = { narrow: 0x100, inverse: 0x108, wide: 0x110 };

interface Parts {
  is64?: boolean;
  gpa?: number;
  lists?: readonly (readonly number[])[];
}

/** An ELF file of one segment, 0x200 bytes and as much that is not in the file, with relocations behind it. */
function vmlinux({ is64 = true, gpa = BASE, lists = [] }: Parts = {}): Uint8Array<ArrayBuffer> {
  const [headerBytes, entryBytes] = is64 ? [64, 56] : [52, 32];
  const start = headerBytes + entryBytes;
  const words = lists.flatMap((list) => [0, ...list]);
  const file = new Uint8Array(start + 0x200 + words.length * 4);
  const view = new DataView(file.buffer);
  const word = (at: number, value: bigint) =>
    is64 ? view.setBigUint64(at, value, true) : view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  file.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, is64 ? 62 : 3, true);
  word(24, BigInt(ENTRY));
  word(is64 ? 32 : 28, BigInt(headerBytes));
  word(is64 ? 40 : 32, BigInt(start + 0x200));
  view.setUint16(is64 ? 54 : 42, entryBytes, true);
  view.setUint16(is64 ? 56 : 44, 1, true);
  view.setUint32(headerBytes, 1, true);
  const fields = [BigInt(start), is64 ? VIRTUAL_64 : VIRTUAL_32, BigInt(gpa), 0x200n, 0x400n];
  for (const [i, field] of fields.entries()) word(headerBytes + (is64 ? 8 + i * 8 : 4 + i * 4), field);
  file.fill(0xcc, start, start + 0x200);
  view.setUint32(start + SITE.narrow, 0x81000123, true);
  view.setUint32(start + SITE.inverse, 0x500000, true);
  view.setBigUint64(start + SITE.wide, 0xffffffff81000456n, true);
  for (const [i, value] of words.entries()) view.setUint32(start + 0x200 + i * 4, value, true);
  return file;
}

const SITES = [[0x81000000 + SITE.wide], [0x81000000 + SITE.inverse], [0x81000000 + SITE.narrow]];

function load(unpacked: Uint8Array, options: Partial<BootOptions> = {}, xloadFlags = 1): BootImage {
  const kernel = bzImage({ xloadFlags, alignment: 2 * MIB });
  return loadKernel({ name: 'vmlinuz', kernel, unpacked, commandLine: 'quiet', ramBytes: RAM_BYTES, ...options });
}

/** What lies in memory that was not used. */
const UNUSED = 0x5a;

/** What lies at an address once the image is in memory. */
function written(image: BootImage, gpa: number): ByteReader {
  const host = {
    bytes: new Uint8Array(RAM_BYTES).fill(UNUSED),
    pageFlags: new Uint8Array(RAM_BYTES / 4096),
    ramOffset: 0,
  };
  const memory = new RamMemory(host, pcRamRegions(RAM_BYTES), { codeWrite: () => {}, firstWrite: () => {} });
  writeBootImage(memory, image);
  return new ByteReader(memory.forRead(gpa, 0x401));
}

function isMoved(image: BootImage): boolean {
  return (written(image, Number(image.cpu.rsi)).u8(0x211) & 2) !== 0;
}

test('an unpacked kernel is put where it is linked for and starts at its own entry', () => {
  const image = load(vmlinux());
  assert.deepEqual([image.cpu.mode, image.cpu.rip], ['long64', BigInt(ENTRY)]);
  const bytes = written(image, BASE);
  assert.deepEqual(
    [bytes.u8(0), bytes.u8(0x1ff), bytes.u8(0x200), bytes.u8(0x3ff), bytes.u8(0x400)],
    [0xcc, 0xcc, 0, 0, UNUSED],
  );
  assert.equal(isMoved(image), false);
});

test('a 64-bit kernel is moved among virtual addresses: all that names one changes', () => {
  for (const lists of [SITES, [SITES[0], SITES[2]]]) {
    const within = Buffer.concat([Buffer.alloc(8), vmlinux({ lists })]).subarray(8);
    const image = load(lists.length === 3 ? vmlinux({ lists }) : within, { random: 5n });
    const bytes = written(image, BASE);
    const offset = 5 * 2 * MIB;
    assert.equal(bytes.u32(SITE.narrow), 0x81000123 + offset);
    assert.equal(bytes.u64(SITE.wide), 0xffffffff81000456n + BigInt(offset));
    assert.equal(bytes.u32(SITE.inverse), lists.length === 3 ? (0x500000 - offset) >>> 0 : 0x500000);
    assert.equal(image.cpu.rip, BigInt(ENTRY));
    assert.ok(isMoved(image));
  }
});

test('a 32-bit kernel is moved in memory, below the initrd', () => {
  const lists = [[0xc1000000 + SITE.narrow]];
  const initrd = new Uint8Array(100 * MIB);
  for (const random of [3n, 0x1_0000_0003n, 1000n]) {
    const image = load(vmlinux({ is64: false, lists }), { random, initrd }, 0);
    const offset = Number(image.cpu.rip) - ENTRY;
    const bytes = written(image, BASE + offset);
    assert.equal(bytes.u32(SITE.narrow), 0x81000123 + offset);
    assert.equal(offset % (2 * MIB), 0);
    assert.ok(BASE + offset + 8 * MIB <= 156 * MIB);
    assert.equal(image.cpu.mode, 'protected32');
  }
});

test('a kernel stays where it is linked for when asked to, and where it has no relocations', () => {
  const attempts = [
    load(vmlinux({ lists: SITES }), { random: 5n, commandLine: 'quiet nokaslr' }),
    load(vmlinux(), { random: 5n }),
    load(vmlinux({ lists: SITES }), { random: 0n }),
    load(vmlinux({ lists: SITES })),
  ];
  for (const image of attempts) {
    assert.equal(written(image, BASE).u32(SITE.narrow), 0x81000123);
    assert.equal(isMoved(image), false);
  }
});

test('what is not understood is left to the kernel itself', () => {
  const attempts: readonly (readonly [string, Uint8Array, Partial<BootOptions>?])[] = [
    ['no ELF file', new Uint8Array(1000)],
    ['one of 32 bits', vmlinux({ is64: false })],
    ['a segment before the kernel', vmlinux({ gpa: BASE - 4096 })],
    ['a segment behind it', vmlinux({ gpa: BASE + 8 * MIB - 0x300 })],
    ['an entry outside', vmlinux({ gpa: BASE + 7 * MIB }).fill(0xff, 24, 28)],
    ['a site outside', vmlinux({ lists: [[0x81000400], [], []] }), { random: 1n }],
    ['another place', vmlinux(), { ramBytes: 20 * MIB }],
    ['another entry', vmlinux(), { entry: 'protected32' }],
  ];
  for (const [what, unpacked, options] of attempts) {
    const { cpu } = load(unpacked, options);
    assert.ok([BigInt(BASE + 0x200), BigInt(BASE), BigInt(MIB + 0x200)].includes(cpu.rip), what);
  }
});

test('a payload is unpacked, which is at most as large as the kernel says', async () => {
  const elf = vmlinux({ lists: SITES });
  const packed = (header = {}) => bzImage({ payload: gzipSync(elf), ...header });
  assert.deepEqual(await unpackLinux(packed()), elf);
  assert.equal(await unpackLinux(packed({ initSize: elf.length - 1 })), undefined);
  assert.equal(await unpackLinux(packed({ version: 0x20b })), undefined, 'before Linux 3.8');
});

test('what an xz payload holds is kept, and used again where it fits', async () => {
  const kernel = bzImage({ payload: concatenate([SAMPLES.records.xz, new Uint8Array(4)]), payloadBytes: 0x10000 });
  const { plain } = SAMPLES.records;
  let kept: Uint8Array | undefined;
  const store: UnpackedStore = {
    async get(_packed, unpack) {
      kept ??= await unpack();
      return kept;
    },
  };
  assert.deepEqual(await unpackLinux(kernel, { store }), plain);
  assert.deepEqual(kept, plain);
  kept = Uint8Array.of(1, 2, 3);
  assert.deepEqual(await unpackLinux(kernel, { store }), kept);
  kept = new Uint8Array(8 * MIB + 1);
  assert.deepEqual(await unpackLinux(kernel, { store }), plain, 'more than the kernel says is not used');
});

test('a payload of zstd is unpacked by what the host has for it, if anything', async () => {
  const payload = concatenate([Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3), new Uint8Array(4)]);
  const kernel = bzImage({ payload });
  const plain = Uint8Array.of(1, 2, 3);
  const zstd = async (bytes: Uint8Array, mostBytes: number) => {
    assert.deepEqual([bytes, mostBytes], [payload.subarray(0, -4), 8 * MIB]);
    return plain;
  };
  assert.equal(await unpackLinux(kernel, { zstd }), plain);
  assert.equal(await unpackLinux(kernel), undefined);
  assert.equal(await unpackLinux(kernel, { zstd: () => Promise.reject(new Error('damaged')) }), undefined);
});

test('a damaged, strange or missing payload is left to the kernel itself', async () => {
  const payload = gzipSync(vmlinux());
  payload[payload.length - 6] ^= 1;
  assert.equal(await unpackLinux(bzImage({ payload })), undefined);
  assert.equal(await unpackLinux(bzImage({ payload: new Uint8Array(100).fill(0x5a) })), undefined);
  assert.equal(await unpackLinux(bzImage()), undefined);
  assert.equal(await unpackLinux(bzImage().subarray(0, 3000)), undefined);
  assert.equal(await unpackLinux(new Uint8Array(100)), undefined);
});
