import { chainExtent } from './chain.ts';
import { isZero } from './copy.ts';
import type { ImageDriver } from './interfaces.ts';

const CHUNK_BYTES = 1 << 20;

/** What comparing two disks found. */
export interface Comparison {
  /** The first sector that differs, or that one disk has and is not zeros, or undefined. */
  readonly differsAt: number | undefined;
  readonly sameSize: boolean;
  /** What both disks have is the same: they differ in their sizes, or behind the end of the shorter one, at most. */
  readonly sameCommonPart: boolean;
}

/** Compares what two disks hold; the shorter one is continued by zeros. @param progress told from 0 to 1 */
export async function compareDisks(
  first: ImageDriver,
  second: ImageDriver,
  progress: (fraction: number) => void = () => {},
): Promise<Comparison> {
  const size = Math.max(roundedSize(first), roundedSize(second));
  const sameSize = roundedSize(first) === roundedSize(second);
  const common = Math.min(roundedSize(first), roundedSize(second));
  for (let offset = 0; offset < size; ) {
    const wanted = Math.min(CHUNK_BYTES, size - offset);
    const [a, b] = [await readPart(first, offset, wanted), await readPart(second, offset, wanted)];
    const at = findDifference(a.bytes, b.bytes, wanted);
    if (at !== undefined) return { differsAt: offset + at, sameSize, sameCommonPart: offset + at >= common };
    offset += wanted;
    while (offset < size && a.zeros > offset && b.zeros > offset) offset = Math.min(a.zeros, b.zeros, size);
    progress(offset / size);
  }
  return { differsAt: undefined, sameSize, sameCommonPart: true };
}

function roundedSize({ sizeBytes }: ImageDriver): number {
  return Math.ceil(sizeBytes / 512) * 512;
}

/** A part of a disk, without bytes where it is known to be zeros. */
interface Part {
  readonly bytes: Uint8Array | undefined;
  /** Up to where the disk is known to be zeros. */
  readonly zeros: number;
}

async function readPart(disk: ImageDriver, offset: number, length: number): Promise<Part> {
  if (offset >= disk.sizeBytes) return { bytes: undefined, zeros: Number.POSITIVE_INFINITY };
  const found = await chainExtent(disk, offset, disk.sizeBytes - offset);
  if (found.extent.kind !== 'data' && found.length >= length) return { bytes: undefined, zeros: offset + found.length };
  const bytes = new Uint8Array(length);
  await disk.read(offset, bytes.subarray(0, Math.min(length, disk.sizeBytes - offset)));
  return { bytes, zeros: 0 };
}

function findDifference(a: Uint8Array | undefined, b: Uint8Array | undefined, length: number): number | undefined {
  for (let at = 0; at < length; at += 512) {
    const [left, right] = [a?.subarray(at, at + 512), b?.subarray(at, at + 512)];
    if (!isSame(left, right)) return at;
  }
  return undefined;
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined) return b === undefined || isZero(b);
  return b === undefined ? isZero(a) : a.every((byte, i) => byte === b[i]);
}
