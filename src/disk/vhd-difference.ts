import type { BackingImage } from './backing.ts';
import type { Extent, ImageFile } from './interfaces.ts';
import { MappedImage } from './mapped-image.ts';
import type { VhdTable } from './vhd.ts';

/** A VHD image that has what differs from its parent: in each block a bitmap says which sectors are here. Only read. */
export class VhdDifference extends MappedImage {
  readonly #file: ImageFile;
  readonly #table: VhdTable;

  constructor(file: ImageFile, table: VhdTable, backing: BackingImage | undefined) {
    super(file, table, backing, true);
    this.#file = file;
    this.#table = table;
  }

  override async read(offset: number, target: Uint8Array): Promise<void> {
    for (let at = 0; at < target.length; ) {
      const extent = await this.extent(offset + at, target.length - at);
      const part = target.subarray(at, at + extent.length);
      if (extent.fileOffset !== undefined) await this.#file.read(extent.fileOffset, part);
      else if (this.backing) await this.backing.read(offset + at, part);
      else part.fill(0);
      at += extent.length;
    }
  }

  override async extent(offset: number, length: number): Promise<Extent> {
    const found = await super.extent(offset, length);
    if (found.fileOffset === undefined) return found;
    const sector = Math.floor((offset % this.#table.blockBytes) / 512);
    const bitmap = new Uint8Array(this.#table.blockHeader.length);
    await this.#file.read(found.fileOffset - sector * 512 - bitmap.length, bitmap);
    const isHere = (i: number) => ((bitmap[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0;
    let count = 1;
    while (count * 512 < found.length && isHere(sector + count) === isHere(sector)) count++;
    const part = Math.min(found.length, count * 512);
    return isHere(sector) ? { ...found, length: part } : { kind: 'absent', length: part };
  }
}
