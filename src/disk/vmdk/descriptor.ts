import { toHex } from '../../base/hex.ts';
import { type DiskHost, type ImageFile, ImageInvalid } from '../interfaces.ts';

export const DESCRIPTOR_START = '# Disk DescriptorFile';
const MAX_BYTES = 1 << 20;
const NO_PARENT = 'ffffffff';

/** One of the files that a disk is made of. */
export interface ExtentLine {
  readonly sizeBytes: number;
  readonly kind: string;
  readonly name: string;
  /** Where the disk begins in the file. */
  readonly startBytes: number;
}

/** What the descriptor of a disk says: lines `name = value`, and one for each extent. */
export interface Descriptor {
  readonly createType: string;
  readonly parent: string | undefined;
  readonly extents: readonly ExtentLine[];
}

/** Reads a descriptor from a file. @throws {ImageInvalid} */
export async function readDescriptor(file: ImageFile, offset: number, length: number): Promise<Descriptor> {
  if (length > MAX_BYTES || offset + length > file.sizeBytes)
    throw new ImageInvalid(file.name, 'its descriptor is cut off');
  const bytes = new Uint8Array(length);
  await file.read(offset, bytes);
  const text = new TextDecoder().decode(bytes).replace(/\0.*$/s, '');
  const value = (key: string) => new RegExp(`^${key}\\s*=\\s*"?([^"\\n\\r]*)"?`, 'mi').exec(text)?.[1];
  const hasParent = (value('parentCID') ?? NO_PARENT).toLowerCase() !== NO_PARENT;
  return {
    createType: value('createType') ?? '',
    parent: hasParent ? value('parentFileNameHint') : undefined,
    extents: [...text.matchAll(/^(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)"(?:\s+(\d+))?)?/gm)].map((line) =>
      toExtent(file, line),
    ),
  };
}

function toExtent(file: ImageFile, [, , sectors, kind = '', name = '', start = '0']: RegExpExecArray): ExtentLine {
  const [sizeBytes, startBytes] = [Number(sectors) * 512, Number(start) * 512];
  if (!Number.isSafeInteger(sizeBytes + startBytes)) throw new ImageInvalid(file.name, 'an extent has an absurd size');
  return { sizeBytes, kind, name, startBytes };
}

/** What a new disk's descriptor says. */
export interface DescriptorOptions {
  readonly createType: string;
  readonly sizeBytes: number;
  /** As in an extent's line. */
  readonly kind: 'SPARSE' | 'FLAT';
  /** The extent's file, without its folder. */
  readonly extentName: string;
}

/** The descriptor of a new disk of one extent. */
export function makeDescriptor({ createType, sizeBytes, kind, extentName }: DescriptorOptions, host: DiskHost): string {
  const id = new Uint8Array(4);
  host.randomBytes(id);
  const sectors = sizeBytes / 512;
  return [
    DESCRIPTOR_START,
    'version=1',
    `CID=${toHex(id)}`,
    `parentCID=${NO_PARENT}`,
    `createType="${createType}"`,
    '',
    '# Extent description',
    `RW ${sectors} ${kind} "${extentName}"${kind === 'FLAT' ? ' 0' : ''}`,
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    'ddb.virtualHWVersion = "4"',
    `ddb.geometry.cylinders = "${Math.min(16383, Math.ceil(sectors / (16 * 63)))}"`,
    'ddb.geometry.heads = "16"',
    'ddb.geometry.sectors = "63"',
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}
