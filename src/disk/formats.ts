import type { DiskHost, ImageDriver, ImageFile } from './interfaces.ts';
import { openQcow2 } from './qcow2/open.ts';
import { RawImage } from './raw.ts';
import { isVdi, openVdi } from './vdi.ts';
import { isVhd, openVhd } from './vhd.ts';
import { isVhdx, openVhdx } from './vhdx/vhdx.ts';
import { isVmdk, openVmdk } from './vmdk/vmdk.ts';

/** What opening an image may need besides its file. */
export interface OpenContext {
  readonly host: DiskHost;
  /** How many images lie on this one. */
  readonly depth: number;
  /** Opened without what it lies on: for tools that look at one image alone. */
  readonly withoutBacking: boolean;
  /** Opened even though it is marked as damaged. */
  readonly forRepair: boolean;
  /** The disk as a snapshot inside the image has it. */
  readonly snapshot: string | undefined;
  /** Opens an image that this one lies on. */
  openBelow(name: string, format: string | undefined): Promise<ImageDriver>;
}

/** A kind of image file. */
export interface Format {
  /** QEMU's name of it. */
  readonly name: string;
  /** Other names by which it is found. */
  readonly aliases?: readonly string[];
  /** Whether a file that begins with these bytes is one. */
  probe(start: Uint8Array): boolean;
  /** @throws {ImageInvalid} */
  open(file: ImageFile, context: OpenContext): Promise<ImageDriver>;
}

const PROBED_BYTES = 2048;

/** All formats, in the order in which a file is tried; what is nothing else is raw. */
export const FORMATS: readonly Format[] = [
  { name: 'qcow2', probe: (start) => startsWith(start, 'QFI\xfb'), open: openQcow2 },
  { name: 'vmdk', probe: isVmdk, open: openVmdk },
  { name: 'vdi', probe: isVdi, open: openVdi },
  { name: 'vpc', aliases: ['vhd'], probe: isVhd, open: openVhd },
  { name: 'vhdx', probe: isVhdx, open: openVhdx },
  { name: 'raw', probe: () => true, open: async (file) => new RawImage(file) },
];

function startsWith(start: Uint8Array, text: string): boolean {
  return start.length >= text.length && [...text].every((character, i) => start[i] === character.charCodeAt(0));
}

/** The format of this name, if there is one. */
export function formatNamed(name: string): Format | undefined {
  return FORMATS.find((format) => format.name === name || format.aliases?.includes(name));
}

/** The format that a file's content shows. */
export async function probeFormat(file: ImageFile): Promise<Format | undefined> {
  const start = new Uint8Array(Math.min(PROBED_BYTES, file.sizeBytes));
  await file.read(0, start);
  return FORMATS.find(({ probe }) => probe(start));
}
