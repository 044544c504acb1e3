import type { OpenContext } from './formats.ts';
import { type BackingReference, type ImageDriver, ImageInvalid, type ReadableDisk } from './interfaces.ts';

/** The image under another one; reads past its end give zeros. */
export class BackingImage implements ReadableDisk {
  readonly driver: ImageDriver;

  constructor(driver: ImageDriver) {
    this.driver = driver;
  }

  get sizeBytes(): number {
    return this.driver.sizeBytes;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const inside = Math.min(target.length, Math.max(0, this.sizeBytes - offset));
    if (inside > 0) await this.driver.read(offset, target.subarray(0, inside));
    target.fill(0, inside);
  }

  close(): Promise<void> {
    return this.driver.close();
  }
}

/** Opens what an image lies on, for reading. @throws {ImageInvalid} its name is none of a file */
export async function openBacking(
  image: string,
  reference: BackingReference | undefined,
  context: OpenContext,
): Promise<BackingImage | undefined> {
  if (reference === undefined || context.withoutBacking) return undefined;
  if (/^(?!file:)[a-z][a-z0-9+-]+:/.test(reference.name)) {
    throw new ImageInvalid(image, `its backing file ${JSON.stringify(reference.name)} is no file of this host`);
  }
  const name = context.host.files.resolve(image, reference.name);
  return new BackingImage(await context.openBelow(name, reference.format));
}
