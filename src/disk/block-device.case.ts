// What every image format has to do, said once.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SplitMix64 } from '../base/random.ts';
import { nodeDiskHost } from '../host/node/disk-host.ts';
import type { DiskImage } from './disk-image.ts';
import { DiskError, type DiskHost } from './interfaces.ts';
import { MemoryStore } from './memory-file.ts';
import { type OpenOptions, openDisk } from './open.ts';

/** The name under which a case's image lies in its store. */
export const IMAGE = 'image';

const STEPS = 120;

/** How images of a format are made, and what it can do. */
export interface FormatCase {
  readonly name: string;
  /** Given to {@link openDisk}; undefined when the content must tell. */
  readonly format?: string;
  /** Makes the image {@link IMAGE}, at least as large as asked, whose content is zeros. */
  create(host: DiskHost, sizeBytes: number): Promise<void>;
  readonly sizeBytes?: number;
  readonly resizes?: boolean;
  readonly readOnly?: boolean;
  /** Bytes of the header in which a fuzzer flips bits; absent where any content is an image. */
  readonly headerBytes?: number;
}

/** A host whose files are in memory. */
export function memoryHost(): DiskHost & { readonly files: MemoryStore } {
  return { ...nodeDiskHost, files: new MemoryStore(), nowMillis: () => 1_700_000_000_000 };
}

/** A host with an image of this format, and a way to open it. */
export async function makeImage(format: FormatCase, sizeBytes = format.sizeBytes ?? 8 << 20) {
  const host = memoryHost();
  await format.create(host, sizeBytes);
  const open = (options: OpenOptions = {}) => openDisk(IMAGE, { format: format.format, ...options }, host);
  return { host, open };
}

/** Numbers below a limit, the same in every run. */
export function randomNumbers(seed: number): (limit: number) => number {
  const random = new SplitMix64(BigInt(seed));
  return (limit) => Number(random.next() % BigInt(limit));
}

/** A disk and what it must contain, changed together by random requests. */
export class MirroredDisk {
  readonly disk: DiskImage;
  readonly #below: (limit: number) => number;
  expected: Uint8Array<ArrayBuffer>;

  constructor(disk: DiskImage, seed: number, expected = new Uint8Array(disk.sizeBytes)) {
    this.disk = disk;
    this.#below = randomNumbers(seed);
    this.expected = expected;
  }

  /** Makes one random request and waits for it. */
  async step(): Promise<void> {
    const [offset, length] = this.#range();
    const kind = this.#below(10);
    if (kind < 4) return this.#write(offset, length);
    if (kind < 7) return this.verify(offset, length);
    if (kind === 7) return this.#discard(offset, length);
    if (kind === 8) return this.#writeZeros(offset, length);
    return this.disk.flush();
  }

  async verify(offset = 0, length = this.expected.length): Promise<void> {
    for (let at = offset; at < offset + length; at += 1 << 20) {
      const part = new Uint8Array(Math.min(1 << 20, offset + length - at)).fill(0xcc);
      await this.disk.read(at, part);
      assertSame(part, this.expected.subarray(at, at + part.length), at);
    }
  }

  async #write(offset: number, length: number): Promise<void> {
    const bytes = new Uint8Array(length).fill(1 + this.#below(255));
    for (let i = 0; i < length; i += 512) bytes[i] = this.#below(256);
    this.expected.set(bytes, offset);
    await this.disk.write(offset, bytes);
  }

  async #writeZeros(offset: number, length: number): Promise<void> {
    this.expected.fill(0, offset, offset + length);
    await this.disk.writeZeros(offset, length);
  }

  /** After a discard each sector is as it was, or zeros, and stays so. */
  async #discard(offset: number, length: number): Promise<void> {
    await this.disk.discard(offset, length);
    const found = new Uint8Array(length);
    await this.disk.read(offset, found);
    for (let at = 0; at < length; at += 512) {
      const sector = found.subarray(at, at + 512);
      if (sector.every((byte) => byte === 0)) this.expected.fill(0, offset + at, offset + at + 512);
    }
    assertSame(found, this.expected.subarray(offset, offset + length), offset);
  }

  /** Mostly small, sometimes large, gathered in a few places. */
  #range(): [offset: number, length: number] {
    const sectors = this.disk.sizeBytes / 512;
    const most = [8, 64, 300, 4096][this.#below(4)] ?? 1;
    const start = this.#below(3) === 0 ? this.#below(sectors) : this.#below(Math.min(sectors, 600));
    const count = Math.min(1 + this.#below(most), sectors - start);
    return [start * 512, count * 512];
  }
}

/** Fails with the place of the first difference. */
export function assertSame(found: Uint8Array, expected: Uint8Array, offset: number): void {
  if (Buffer.compare(found, expected) === 0) return;
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  assert.fail(`byte ${offset + at} is ${found[at]}, expected ${expected[at]}`);
}

/** The tests of one format. */
export function describeBlockDevice(format: FormatCase): void {
  describe(`${format.name} as a block device`, () => {
    if (!format.readOnly) describeWriting(format);
    if (format.resizes) describeResizing(format);
    if (format.headerBytes !== undefined) describeDamage(format, format.headerBytes);
    describeReading(format);
  });
}

function describeReading(format: FormatCase): void {
  it('reads zeros where nothing was written', async () => {
    const { open } = await makeImage(format);
    const disk = await open({ readOnly: true });
    await new MirroredDisk(disk, 1).verify();
    await disk.close();
  });

  it('refuses what is no whole sector or lies outside', async () => {
    const disk = await (await makeImage(format)).open({ readOnly: true });
    const bad: [offset: number, length: number][] = [
      [1, 512],
      [0, 511],
      [-512, 512],
      [disk.sizeBytes, 512],
      [disk.sizeBytes - 512, 1024],
      [2 ** 60, 512],
      [Number.NaN, 512],
    ];
    for (const [offset, length] of bad) await assert.rejects(disk.read(offset, new Uint8Array(length)), DiskError);
    await disk.close();
    await assert.rejects(disk.read(0, new Uint8Array(512)), DiskError);
  });

  it('changes nothing when opened read-only', async () => {
    const { host, open } = await makeImage(format);
    const before = host.files.contents.get(IMAGE)?.bytes();
    const disk = await open({ readOnly: true });
    assert.equal(disk.readOnly, true);
    await assert.rejects(disk.write(0, new Uint8Array(512)), DiskError);
    await assert.rejects(disk.discard(0, 512), DiskError);
    await assert.rejects(disk.writeZeros(0, 512), DiskError);
    await disk.flush();
    await disk.close();
    assert.deepEqual(host.files.contents.get(IMAGE)?.bytes(), before);
  });
}

function describeWriting(format: FormatCase): void {
  for (const seed of [1, 2]) {
    it(`keeps what random requests leave, and keeps it when opened again (seed ${seed})`, async () => {
      const { open } = await makeImage(format);
      let mirrored = new MirroredDisk(await open(), seed);
      for (let round = 0; round < 2; round++) {
        for (let step = 0; step < STEPS; step++) await mirrored.step();
        await mirrored.verify();
        await mirrored.disk.close();
        mirrored = new MirroredDisk(await open(), seed + 10 * round, mirrored.expected);
        await mirrored.verify();
      }
      await mirrored.disk.close();
    });
  }

  it('takes requests side by side and gives overlapping ones their order', async () => {
    const { open } = await makeImage(format);
    const mirrored = new MirroredDisk(await open(), 5);
    const below = randomNumbers(6);
    const requests: Promise<void>[] = [];
    for (let i = 0; i < 400; i++) {
      const bytes = new Uint8Array(512 * (1 + below(200))).fill(i);
      const offset = 512 * below(400);
      mirrored.expected.set(bytes, offset);
      requests.push(mirrored.disk.write(offset, bytes));
      if (i % 10 === 0) requests.push(mirrored.disk.flush());
      if (i % 3 === 0) requests.push(expectByte(mirrored.disk, offset, i));
    }
    await Promise.all(requests);
    await mirrored.verify();
    await mirrored.disk.close();
  });

  it('finishes what is under way before it closes', async () => {
    const { open } = await makeImage(format);
    const disk = await open();
    const written = disk.write(4096, new Uint8Array(1 << 20).fill(7));
    await Promise.all([written, disk.close()]);
    const again = await open({ readOnly: true });
    await expectByte(again, 4096 + (1 << 19), 7);
    await again.close();
  });

  it('writes its last sector', async () => {
    const { open } = await makeImage(format);
    const disk = await open();
    await disk.write(disk.sizeBytes - 512, new Uint8Array(512).fill(9));
    await disk.close();
    const again = await open({ readOnly: true });
    await expectByte(again, again.sizeBytes - 512, 9);
    await again.close();
  });

  it('is one for writing at a time', async () => {
    const { open } = await makeImage(format);
    const disk = await open();
    await assert.rejects(open(), DiskError);
    await disk.close();
    await (await open()).close();
  });
}

async function expectByte(disk: DiskImage, offset: number, value: number): Promise<void> {
  const sector = new Uint8Array(512);
  await disk.read(offset, sector);
  assert.equal(sector[0], value & 0xff);
}

function describeResizing(format: FormatCase): void {
  it('grows by zeros and shrinks by its end', async () => {
    const { open } = await makeImage(format);
    const disk = await open();
    const size = disk.sizeBytes;
    const mirrored = new MirroredDisk(disk, 8);
    for (let step = 0; step < STEPS; step++) await mirrored.step();
    for (const target of [size * 3, Math.floor(size / 1024) * 512 + 512, size * 2, size * 40, 512, size]) {
      await disk.resize(target);
      assert.equal(disk.sizeBytes, target);
      const kept = mirrored.expected.slice(0, Math.min(target, 4 * size));
      mirrored.expected = new Uint8Array(Math.min(target, 4 * size));
      mirrored.expected.set(kept);
      await mirrored.verify();
      await disk.write(target - 512, new Uint8Array(512).fill(3));
      if (target <= 4 * size) mirrored.expected.fill(3, target - 512);
    }
    await disk.close();
    const again = await open();
    assert.equal(again.sizeBytes, size);
    await new MirroredDisk(again, 9, mirrored.expected).verify();
    await again.close();
  });
}

/** Opens a damaged image and reads a little: it works, or fails with an error of ours. @returns whether it worked */
async function tryImage(open: (options: OpenOptions) => Promise<DiskImage>, readOnly: boolean): Promise<boolean> {
  try {
    const disk = await open({ readOnly });
    try {
      for (const offset of [0, Math.floor(disk.sizeBytes / 1024) * 512, disk.sizeBytes - 512]) {
        if (offset >= 0 && disk.sizeBytes > 0) await disk.read(offset, new Uint8Array(512));
      }
    } finally {
      await disk.close();
    }
    return true;
  } catch (error) {
    const missing = (error as { code?: string }).code === 'ENOENT';
    assert.ok(missing || error instanceof DiskError, `${(error as Error).stack}`);
    return false;
  }
}

function describeDamage(format: FormatCase, headerBytes: number): void {
  it('says what is wrong with a file that is cut off, and leaves it alone', async () => {
    for (const kept of [0, 1, 4, 16, 60, 72, 100, 511, 512]) {
      const { host, open } = await makeImage(format);
      const content = host.files.contents.get(IMAGE);
      content?.truncate(Math.min(kept, headerBytes - 1));
      const before = content?.bytes();
      assert.equal(await tryImage(open, false), false, `${kept} bytes`);
      assert.deepEqual(content?.bytes(), before);
    }
  });

  it('survives any header', async () => {
    const below = randomNumbers(11);
    for (let round = 0; round < 200; round++) {
      const { host, open } = await makeImage(format, 1 << 20);
      const content = host.files.contents.get(IMAGE);
      for (let flips = 0; flips <= below(4); flips++) {
        const byte = new Uint8Array([[0, 0xff, 0x80, 1, below(256)][below(5)] ?? 0]);
        content?.write(below(headerBytes), byte);
      }
      await tryImage(open, true);
    }
  });
}
