import { DiskImage } from './disk-image.ts';
import { FORMATS, formatNamed, probeFormat } from './formats.ts';
import { type DiskHost, type FileOptions, type ImageDriver, type ImageFile, ImageInvalid } from './interfaces.ts';
import { openOverlay } from './overlay.ts';

/** How an image is opened. */
export interface OpenOptions extends FileOptions {
  /** The format's name; without it, the content tells. */
  readonly format?: string;
  /** Opened without what it lies on, whose part then reads as zeros. */
  readonly withoutBacking?: boolean;
  /** Opened for writing even when it is marked as damaged. */
  readonly forRepair?: boolean;
  /** With `readOnly`: the disk as a snapshot inside the image has it, by the snapshot's ID or name. */
  readonly snapshot?: string;
}

/** How a disk is opened. */
export interface DiskOptions extends OpenOptions {
  /** `true`: writes go to a temporary file that is gone at the end. A name: to this qcow2 file, made where it is absent.
   * The image itself is then only read. */
  readonly overlay?: boolean | string;
}

/** Backing files deeper than this are taken for a circle. */
const MAX_CHAIN = 200;

/** Opens the disk in an image file, with everything it lies on.
 * @throws {DiskError} it is damaged, unknown or in use; errors of the host's files pass through */
export async function openDisk(name: string, options: DiskOptions, host: DiskHost): Promise<DiskImage> {
  const { overlay = false } = options;
  if (overlay === false) return new DiskImage(await openDriver(name, options, host));
  const below = await openDriver(name, { ...options, readOnly: true }, host);
  return new DiskImage(await openOverlay(below, name, overlay, host));
}

/** Opens an image for what works on its format itself. Requests must be ordered by the caller.
 * @throws {DiskError} as {@link openDisk} */
export async function openDriver(name: string, options: OpenOptions, host: DiskHost, depth = 0): Promise<ImageDriver> {
  if (depth > MAX_CHAIN) throw new ImageInvalid(name, `more than ${MAX_CHAIN} backing files`);
  const file = await host.files.open(name, options);
  try {
    return await openFile(file, options, host, depth);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFile(file: ImageFile, options: OpenOptions, host: DiskHost, depth: number): Promise<ImageDriver> {
  const { format, shared, withoutBacking = false, forRepair = false } = options;
  const found = format === undefined ? await probeFormat(file) : formatNamed(format);
  if (found === undefined) {
    const known = FORMATS.map((one) => one.name).join(', ');
    throw new ImageInvalid(file.name, `found format ${format}, expected one of ${known}`);
  }
  if (options.snapshot !== undefined && found.name !== 'qcow2') {
    throw new ImageInvalid(file.name, 'only qcow2 images have snapshots inside');
  }
  return found.open(file, {
    host,
    depth,
    withoutBacking,
    forRepair,
    snapshot: options.snapshot,
    openBelow: (name, below) => openDriver(name, { format: below, readOnly: true, shared }, host, depth + 1),
  });
}
