import { backingDriver } from './chain.ts';
import { type BackingReference, type DiskHost, type ImageDriver, RequestRefused } from './interfaces.ts';
import { openDriver } from './open.ts';
import { Qcow2Image } from './qcow2/image.ts';

const CHUNK_BYTES = 1 << 20;

type Progress = (fraction: number) => void;

/** Writes what an image has over its backing image into that one, and empties the image unless `keep`.
 * @throws {DiskError} it has none */
export async function commitImage(
  name: string,
  options: { format?: string; keep: boolean },
  host: DiskHost,
  progress: Progress,
) {
  const top = await openDriver(name, { format: options.format }, host);
  try {
    const reference = top.facts.backing;
    if (!(top instanceof Qcow2Image) || reference === undefined)
      throw new RequestRefused(`${name}: it has no backing file`);
    const below = host.files.resolve(name, reference.name);
    const base = await openDriver(below, { format: reference.format }, host);
    try {
      if (base.sizeBytes < top.sizeBytes) await grow(base, top.sizeBytes);
      await copyAllocated(top, base, progress);
    } finally {
      await base.close();
    }
    if (!options.keep) await top.empty();
  } finally {
    await top.close();
  }
}

async function grow(driver: ImageDriver, sizeBytes: number): Promise<void> {
  if (driver.resize === undefined) throw new RequestRefused('the backing file is smaller and cannot be resized');
  await driver.resize(sizeBytes);
}

async function copyAllocated(top: ImageDriver, base: ImageDriver, progress: Progress): Promise<void> {
  for (let offset = 0; offset < top.sizeBytes; ) {
    const { kind, length } = await top.extent(offset, Math.min(top.sizeBytes - offset, CHUNK_BYTES));
    if (kind === 'zero') await base.writeZeros(offset, length);
    if (kind === 'data') {
      const bytes = new Uint8Array(length);
      await top.read(offset, bytes);
      await base.write(offset, bytes);
    }
    offset += length;
    progress(offset / top.sizeBytes);
  }
  await base.flush();
}

/** How an image's backing file is changed. */
export interface RebaseOptions {
  readonly format?: string;
  /** What it lies on afterwards: nothing, when undefined. */
  readonly backing: BackingReference | undefined;
  /** Changes the name alone; otherwise the disk holds the same as before. */
  readonly unsafe: boolean;
}

/** Puts an image onto another backing image. @throws {DiskError} */
export async function rebaseImage(name: string, options: RebaseOptions, host: DiskHost, progress: Progress) {
  const { format, backing, unsafe } = options;
  const image = await openDriver(name, { format, withoutBacking: unsafe }, host);
  try {
    if (!(image instanceof Qcow2Image))
      throw new RequestRefused(`${name}: only qcow2 images change their backing file`);
    if (!unsafe) await keepContent(image, name, backing, host, progress);
    await image.changeBacking(backing);
  } finally {
    await image.close();
  }
}

/** Writes into the image what the new backing image does not have as the old one has. */
async function keepContent(
  image: Qcow2Image,
  name: string,
  backing: BackingReference | undefined,
  host: DiskHost,
  progress: Progress,
) {
  const below = backing && host.files.resolve(name, backing.name);
  const base =
    below === undefined ? undefined : await openDriver(below, { format: backing?.format, readOnly: true }, host);
  try {
    if (backingDriver(image) === undefined && base === undefined) return;
    for (let offset = 0; offset < image.sizeBytes; ) {
      const { kind, length } = await image.extent(offset, Math.min(image.sizeBytes - offset, CHUNK_BYTES));
      if (kind === 'absent') await copyDifferent(image, base, offset, length);
      offset += length;
      progress(offset / image.sizeBytes);
    }
  } finally {
    await base?.close();
  }
}

async function copyDifferent(image: Qcow2Image, base: ImageDriver | undefined, offset: number, length: number) {
  const [before, after] = [new Uint8Array(length), new Uint8Array(length)];
  await image.read(offset, before);
  const there = Math.min(length, Math.max(0, (base?.sizeBytes ?? 0) - offset));
  if (there > 0) await base?.read(offset, after.subarray(0, there));
  for (let at = 0; at < length; at += image.clusterBytes) {
    const [old, now] = [before.subarray(at, at + image.clusterBytes), after.subarray(at, at + image.clusterBytes)];
    if (old.some((byte, i) => byte !== now[i])) await image.write(offset + at, old);
  }
}
