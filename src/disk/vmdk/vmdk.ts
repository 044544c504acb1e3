import { openBacking } from '../backing.ts';
import type { OpenContext } from '../formats.ts';
import { type DiskHost, type ImageDriver, type ImageFile, ImageInvalid, RequestRefused } from '../interfaces.ts';
import { MappedImage } from '../mapped-image.ts';
import { PlacedImage, type PlacedPart } from '../placed-image.ts';
import { DESCRIPTOR_START, type Descriptor, type ExtentLine, makeDescriptor, readDescriptor } from './descriptor.ts';
import {
  ENTRIES_PER_TABLE,
  encodeSparseHeader,
  isSparseExtent,
  readSparseHeader,
  SECTOR_BYTES,
  type SparseHeader,
} from './header.ts';
import { GrainTables } from './sparse.ts';
import { VmdkStreamWriter } from './stream.ts';

const GRAIN_BYTES = 65536;
const DESCRIPTOR_BYTES = 20 * SECTOR_BYTES;
const MAX_SPARSE_BYTES = 2 ** 41;

/** Kinds of VMDK images, in VMware's words. */
export type VmdkKind = 'monolithicSparse' | 'monolithicFlat' | 'streamOptimized';

/** Whether a file that begins with these bytes is a VMDK image or the descriptor of one. */
export function isVmdk(start: Uint8Array): boolean {
  return (
    isSparseExtent(start) || new TextDecoder().decode(start.subarray(0, DESCRIPTOR_START.length)) === DESCRIPTOR_START
  );
}

/** Opens a VMDK image: sparse, flat in one or more files, or stream-optimized, which is only read.
 * @throws {ImageInvalid} */
export async function openVmdk(file: ImageFile, context: OpenContext): Promise<ImageDriver> {
  const start = new Uint8Array(Math.min(SECTOR_BYTES, file.sizeBytes));
  await file.read(0, start);
  if (!isVmdk(start)) throw new ImageInvalid(file.name, 'it is no VMDK image');
  return isSparseExtent(start) ? openSparse(file, context) : openFlat(file, context);
}

async function openSparse(file: ImageFile, context: OpenContext): Promise<ImageDriver> {
  const header = await readSparseHeader(file);
  const descriptor = await readDescriptor(file, header.descriptorOffset, header.descriptorBytes);
  const tables = await GrainTables.load(file, header, context.host.compression, descriptor.createType);
  const reference = descriptor.parent === undefined ? undefined : { name: descriptor.parent, format: 'vmdk' };
  const backing = await openBacking(file.name, reference, context);
  return new MappedImage(file, tables, backing, header.compressed);
}

async function openFlat(file: ImageFile, context: OpenContext): Promise<ImageDriver> {
  const descriptor = await readDescriptor(file, 0, file.sizeBytes);
  if (descriptor.parent !== undefined) throw new ImageInvalid(file.name, 'a flat image with a parent is not supported');
  const parts: PlacedPart[] = [];
  try {
    for (const extent of descriptor.extents) parts.push(await openExtent(file, extent, context));
  } catch (error) {
    for (const part of parts) await part.file?.close();
    throw error;
  }
  return withDescriptor(file, descriptor, parts);
}

/** The descriptor's own file stays open, and locked, as long as the disk. */
function withDescriptor(file: ImageFile, descriptor: Descriptor, parts: readonly PlacedPart[]): ImageDriver {
  if (parts.length === 0) throw new ImageInvalid(file.name, 'its descriptor names no extents');
  const own = { file, start: 0, sizeBytes: 0 };
  return new PlacedImage('vmdk', [...parts, own], { specific: { 'create type': descriptor.createType } });
}

async function openExtent(image: ImageFile, extent: ExtentLine, { host }: OpenContext): Promise<PlacedPart> {
  if (extent.kind === 'ZERO') return { start: 0, sizeBytes: extent.sizeBytes };
  if (extent.kind !== 'FLAT' && extent.kind !== 'VMFS') {
    throw new ImageInvalid(image.name, `extents of kind ${extent.kind} in files of their own are not supported`);
  }
  const file = await host.files.open(host.files.resolve(image.name, extent.name), { readOnly: image.readOnly });
  if (extent.startBytes + extent.sizeBytes > file.sizeBytes) {
    await file.close();
    throw new ImageInvalid(image.name, `its extent ${extent.name} is cut off`);
  }
  return { file, start: extent.startBytes, sizeBytes: extent.sizeBytes };
}

/** What a new VMDK image is like. */
export interface VmdkOptions {
  readonly sizeBytes: number;
  readonly kind?: VmdkKind;
}

/** Makes an empty file into a VMDK image. @throws {RequestRefused} the size is beyond the format */
export async function createVmdk(
  file: ImageFile,
  { sizeBytes, kind = 'monolithicSparse' }: VmdkOptions,
  host: DiskHost,
) {
  await file.truncate(0);
  if (kind === 'monolithicFlat') return createFlat(file, sizeBytes, host);
  if (kind === 'streamOptimized') return (await openStreamWriter(file, sizeBytes, host)).close();
  const header = layOut(sizeBytes);
  const tables = Math.ceil(sizeBytes / (GRAIN_BYTES * ENTRIES_PER_TABLE));
  for (const offset of [header.redundantOffset ?? 0, header.directoryOffset]) {
    const first = (offset + Math.ceil((tables * 4) / SECTOR_BYTES) * SECTOR_BYTES) / SECTOR_BYTES;
    const directory = Uint32Array.from({ length: tables }, (_, i) => first + i * 4);
    await file.write(offset, new Uint8Array(directory.buffer));
  }
  await writeDescriptor(file, sizeBytes, kind, host);
  await file.truncate(header.overheadBytes);
  await file.write(0, encodeSparseHeader(header, BigInt(header.directoryOffset / SECTOR_BYTES)));
}

/** Makes an empty file into a stream-optimized image, to be written once from beginning to end.
 * @throws {RequestRefused} the size is beyond the format */
export async function openStreamWriter(file: ImageFile, sizeBytes: number, host: DiskHost): Promise<VmdkStreamWriter> {
  const sparse = layOut(sizeBytes);
  const header = { ...sparse, version: 3, redundantOffset: undefined, compressed: true, overheadBytes: GRAIN_BYTES };
  await writeDescriptor(file, sizeBytes, 'streamOptimized', host);
  return new VmdkStreamWriter(file, header, GRAIN_BYTES, host.compression);
}

async function writeDescriptor(
  file: ImageFile,
  sizeBytes: number,
  createType: VmdkKind,
  host: DiskHost,
): Promise<void> {
  const text = makeDescriptor({ createType, sizeBytes, kind: 'SPARSE', extentName: baseName(file.name) }, host);
  const bytes = new Uint8Array(DESCRIPTOR_BYTES);
  bytes.set(new TextEncoder().encode(text).subarray(0, DESCRIPTOR_BYTES));
  await file.write(SECTOR_BYTES, bytes);
}

/** Header, descriptor, the redundant directory and its tables, the directory and its tables, and then grains. */
function layOut(sizeBytes: number): SparseHeader {
  if (sizeBytes > MAX_SPARSE_BYTES) throw new RequestRefused('the disk is too large for VMDK, which ends at 2 TiB');
  const tables = Math.ceil(sizeBytes / (GRAIN_BYTES * ENTRIES_PER_TABLE));
  const copyBytes = Math.ceil((tables * 4) / SECTOR_BYTES) * SECTOR_BYTES + tables * ENTRIES_PER_TABLE * 4;
  const redundantOffset = SECTOR_BYTES + DESCRIPTOR_BYTES;
  return {
    version: 1,
    sizeBytes,
    grainBytes: GRAIN_BYTES,
    descriptorOffset: SECTOR_BYTES,
    descriptorBytes: DESCRIPTOR_BYTES,
    redundantOffset,
    directoryOffset: redundantOffset + copyBytes,
    overheadBytes: Math.ceil((redundantOffset + 2 * copyBytes) / GRAIN_BYTES) * GRAIN_BYTES,
    compressed: false,
    zeroGrains: false,
  };
}

async function createFlat(file: ImageFile, sizeBytes: number, host: DiskHost): Promise<void> {
  const extentName = `${baseName(file.name).replace(/\.vmdk$/, '')}-flat.vmdk`;
  const extent = await host.files.create(host.files.resolve(file.name, extentName));
  await extent.truncate(0);
  await extent.truncate(sizeBytes).finally(() => extent.close());
  const text = makeDescriptor({ createType: 'monolithicFlat', sizeBytes, kind: 'FLAT', extentName }, host);
  await file.write(0, new TextEncoder().encode(text));
}

function baseName(path: string): string {
  return path.replace(/^.*[\\/]/, '');
}
