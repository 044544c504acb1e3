import { type BackingImage, openBacking } from '../backing.ts';
import type { OpenContext } from '../formats.ts';
import { type DiskHost, type ImageDriver, type ImageFile, ImageInvalid } from '../interfaces.ts';
import { Bitmaps, readBitmapDirectory } from './bitmaps.ts';
import { AUTOCLEAR, INCOMPATIBLE, readHeader } from './header.ts';
import { Qcow2Image, type Qcow2Parts } from './image.ts';
import { Metadata } from './metadata.ts';
import { SnapshotView } from './snapshot-view.ts';
import { readSnapshots } from './snapshots.ts';

/** Opens a qcow2 image with the chain below it. @throws {ImageInvalid} */
export async function openQcow2(file: ImageFile, context: OpenContext): Promise<ImageDriver> {
  const parts = await readParts(file, context.host, context.forRepair);
  const backing = await openBacking(file.name, parts.metadata.header.backing, context);
  const image = await opened({ ...parts, backing });
  return context.snapshot === undefined ? image : SnapshotView.of(image, context.snapshot);
}

/** Opens a qcow2 image over an image that is open already. @throws {ImageInvalid} */
export async function openQcow2On(
  file: ImageFile,
  backing: BackingImage | undefined,
  host: DiskHost,
): Promise<Qcow2Image> {
  return opened({ ...(await readParts(file, host, false)), backing });
}

async function readParts(file: ImageFile, host: DiskHost, forRepair: boolean): Promise<Qcow2Parts> {
  const header = await readHeader(file);
  if (header.incompatible & INCOMPATIBLE.corrupt && !file.readOnly && !forRepair) {
    throw new ImageInvalid(file.name, 'it is marked as corrupt: it can be read, or repaired by image check -r all');
  }
  const metadata = await Metadata.load(file, header);
  const consistent = (header.autoclear & AUTOCLEAR.bitmaps) !== 0;
  const bitmapEntries = consistent ? await readBitmapDirectory(file, header) : [];
  return {
    file,
    host,
    metadata,
    backing: undefined,
    snapshots: await readSnapshots(file, header),
    bitmapEntries,
    bitmaps: file.readOnly ? undefined : new Bitmaps(metadata, bitmapEntries),
  };
}

/** An image whose writer was killed while refcounts were kept lazily gets them right first. */
async function opened(parts: Qcow2Parts): Promise<Qcow2Image> {
  const image = new Qcow2Image(parts);
  const dirty = (parts.metadata.header.incompatible & INCOMPATIBLE.dirty) !== 0;
  if (dirty && !parts.file.readOnly) await image.check('all');
  return image;
}
