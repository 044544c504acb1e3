import { BackingImage } from './backing.ts';
import type { BackingReference, DiskHost, ImageDriver, ImageFile } from './interfaces.ts';
import { createQcow2 } from './qcow2/create.ts';
import { openQcow2On } from './qcow2/open.ts';

/** Has what is written go to a qcow2 file over an image, which is only read.
 * @param below the image, which is closed where this fails  @param name of its file
 * @param overlay `true` for a temporary file, or the name of one that is kept and made where it is absent */
export async function openOverlay(
  below: ImageDriver,
  name: string,
  overlay: true | string,
  host: DiskHost,
): Promise<ImageDriver> {
  try {
    const file = overlay === true ? await host.files.temporary() : await openKept(overlay, host);
    const reference = { name: host.files.absolute(name), format: below.format };
    return await openOverlayOn(file, new BackingImage(below), reference, host);
  } catch (error) {
    await below.close();
    throw error;
  }
}

/** Opens a file as a qcow2 overlay on an image that is open already, and makes it one where it is empty.
 * @param reference what the overlay notes as its backing file */
export async function openOverlayOn(
  file: ImageFile,
  below: BackingImage,
  reference: BackingReference,
  host: DiskHost,
): Promise<ImageDriver> {
  try {
    if (file.sizeBytes === 0) {
      const sizeBytes = Math.ceil(below.sizeBytes / 512) * 512;
      await createQcow2(file, { sizeBytes, backing: reference }, host);
    }
    return await openQcow2On(file, below, host);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openKept(name: string, host: DiskHost): Promise<ImageFile> {
  try {
    return await host.files.open(name, {});
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    return host.files.create(name);
  }
}
