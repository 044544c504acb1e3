import { DiskImage } from './disk-image.ts';
import { FORMATS, formatNamed, probeFormat } from './formats.ts';
import { type DiskHost, type FileOptions, type ImageDriver, type ImageFile, ImageInvalid } from './interfaces.ts';

/** How a disk is opened. */
export interface OpenOptions extends FileOptions {
  /** The format's name; without it, the content tells. */
  readonly format?: string;
  /** `true`: writes go to a temporary file that is gone at the end. A name: to this qcow2 file, made where it is absent.
   * The image itself is then only read. */
  readonly overlay?: boolean | string;
}

/** Backing files deeper than this are taken for a circle. */
const MAX_CHAIN = 200;

/** Opens the disk in an image file, with everything it lies on.
 * @throws {DiskError} it is damaged, unknown or in use; errors of the host's files pass through */
export async function openDisk(name: string, options: OpenOptions, host: DiskHost): Promise<DiskImage> {
  return new DiskImage(await openDriver(name, options, host));
}

/** As {@link openDisk}, for what works on the format itself. */
export async function openDriver(name: string, options: OpenOptions, host: DiskHost, depth = 0): Promise<ImageDriver> {
  if (depth > MAX_CHAIN) throw new ImageInvalid(name, `more than ${MAX_CHAIN} backing files`);
  const file = await host.files.open(name, options);
  try {
    return await openFile(file, options.format, host, depth);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFile(file: ImageFile, format: string | undefined, host: DiskHost, depth: number) {
  const found = format === undefined ? await probeFormat(file) : formatNamed(format);
  if (found === undefined) {
    const known = FORMATS.map(({ name }) => name).join(', ');
    throw new ImageInvalid(file.name, `found format ${format}, expected one of ${known}`);
  }
  return found.open(file, { host, depth });
}
