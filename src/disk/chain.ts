import { BackingImage } from './backing.ts';
import type { Extent, ImageDriver } from './interfaces.ts';

/** What a range of a disk is, looked for through all images of its chain. */
export interface ChainExtent {
  readonly length: number;
  /** How many images lie above the one that answers. */
  readonly depth: number;
  readonly driver: ImageDriver;
  /** `absent` when no image of the chain has anything here: it reads as zeros. */
  readonly extent: Extent;
}

/** The image below one, if there is any. */
export function backingDriver(driver: ImageDriver): ImageDriver | undefined {
  return driver.backing instanceof BackingImage ? driver.backing.driver : undefined;
}

/** What a range that begins at `offset` is; the answer may be shorter than asked. */
export async function chainExtent(
  driver: ImageDriver,
  offset: number,
  length: number,
  depth = 0,
): Promise<ChainExtent> {
  const extent = await driver.extent(offset, length);
  const below = backingDriver(driver);
  if (extent.kind !== 'absent' || below === undefined || offset >= below.sizeBytes) {
    return { length: extent.length, depth, driver, extent };
  }
  return chainExtent(below, offset, Math.min(extent.length, below.sizeBytes - offset), depth + 1);
}

/** All ranges of a disk, in order, neighbours of one kind joined. */
export async function* mapChain(driver: ImageDriver): AsyncGenerator<ChainExtent & { readonly offset: number }> {
  let last: (ChainExtent & { readonly offset: number }) | undefined;
  for (let offset = 0; offset < driver.sizeBytes; ) {
    const found = await chainExtent(driver, offset, driver.sizeBytes - offset);
    if (last !== undefined && continues(last, found)) last = { ...last, length: last.length + found.length };
    else {
      if (last !== undefined) yield last;
      last = { ...found, offset };
    }
    offset += found.length;
  }
  if (last !== undefined) yield last;
}

function continues(last: ChainExtent, next: ChainExtent): boolean {
  const [before, after] = [last.extent, next.extent];
  const adjacent = before.fileOffset === undefined || before.fileOffset + last.length === after.fileOffset;
  const same = before.kind === after.kind && before.compressed === after.compressed;
  return (
    last.driver === next.driver &&
    same &&
    adjacent &&
    (before.fileOffset === undefined) === (after.fileOffset === undefined)
  );
}
