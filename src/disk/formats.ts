import type { DiskHost, ImageDriver, ImageFile } from './interfaces.ts';
import { RawImage } from './raw.ts';

/** What opening an image may need besides its file. */
export interface OpenContext {
  readonly host: DiskHost;
  /** How many images lie on this one. */
  readonly depth: number;
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
  { name: 'raw', probe: () => true, open: async (file) => new RawImage(file) },
];

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
