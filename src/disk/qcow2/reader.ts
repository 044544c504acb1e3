import type { BackingImage } from '../backing.ts';
import type { Extent, ImageFile } from '../interfaces.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { CompressedClusters } from './compressed.ts';
import type { Mapping } from './l2-table.ts';

/** A part of the disk that is found in one place. */
export interface Piece {
  /** That of its first cluster. */
  readonly mapping: Mapping;
  /** Where the part begins in its first cluster. */
  readonly within: number;
  readonly length: number;
}

/** Reads the disk as an L1 table describes it: the image's own, or that of a snapshot. */
export class ClusterReader {
  readonly #file: ImageFile;
  readonly #map: ClusterMap;
  readonly #compressed: CompressedClusters;
  readonly #backing: BackingImage | undefined;
  readonly #clusterBytes: number;

  constructor(
    file: ImageFile,
    map: ClusterMap,
    compressed: CompressedClusters,
    backing: BackingImage | undefined,
    clusterBytes: number,
  ) {
    this.#file = file;
    this.#map = map;
    this.#compressed = compressed;
    this.#backing = backing;
    this.#clusterBytes = clusterBytes;
  }

  /** What a range begins with. */
  async piece(offset: number, length: number): Promise<Piece> {
    const cluster = Math.floor(offset / this.#clusterBytes);
    const within = offset % this.#clusterBytes;
    const { mapping, clusters } = await this.#map.run(cluster, Math.ceil((within + length) / this.#clusterBytes));
    return { mapping, within, length: Math.min(length, clusters * this.#clusterBytes - within) };
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    for (let at = 0; at < target.length; ) {
      const piece = await this.piece(offset + at, target.length - at);
      await this.#readPiece(piece, offset + at, target.subarray(at, at + piece.length));
      at += piece.length;
    }
  }

  async extent(offset: number, wanted: number): Promise<Extent> {
    const { mapping, within, length } = await this.piece(offset, wanted);
    if (mapping.kind === 'data') return { kind: 'data', length, fileOffset: mapping.offset + within };
    if (mapping.kind === 'compressed') return { kind: 'data', length, compressed: true };
    return { kind: mapping.kind, length };
  }

  async #readPiece({ mapping, within }: Piece, offset: number, target: Uint8Array): Promise<void> {
    switch (mapping.kind) {
      case 'data':
        return this.#file.read(mapping.offset + within, target);
      case 'compressed': {
        const cluster = await this.#compressed.read(mapping);
        target.set(cluster.subarray(within, within + target.length));
        return;
      }
      case 'absent':
        if (this.#backing !== undefined) return this.#backing.read(offset, target);
    }
    target.fill(0);
  }
}
