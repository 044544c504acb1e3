import { type Extent, type ImageDriver, ImageInvalid, RequestRefused } from '../interfaces.ts';
import { ClusterMap } from './cluster-map.ts';
import { CompressedClusters } from './compressed.ts';
import type { Qcow2Image } from './image.ts';
import { ClusterReader } from './reader.ts';
import type { Snapshot } from './snapshots.ts';

/** The disk as it was when a snapshot inside an image was taken. Only read. */
export class SnapshotView implements ImageDriver {
  readonly format = 'qcow2';
  readonly readOnly = true;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly facts = {};
  readonly backing;
  readonly #image: Qcow2Image;
  readonly #reader: ClusterReader;

  private constructor(image: Qcow2Image, snapshot: Snapshot, reader: ClusterReader) {
    this.#image = image;
    this.#reader = reader;
    this.sizeBytes = snapshot.diskBytes;
    this.clusterBytes = image.clusterBytes;
    this.backing = image.backing;
  }

  /** @param wanted the snapshot's ID or name  @throws {ImageInvalid} there is none */
  static async of(image: Qcow2Image, wanted: string): Promise<SnapshotView> {
    const { file, metadata, host, backing, snapshots } = image.parts;
    const by = (key: 'id' | 'name') => snapshots.snapshots.find((one) => one[key] === wanted);
    const snapshot = by('id') ?? by('name');
    if (snapshot === undefined) throw new ImageInvalid(file.name, `it has no snapshot ${wanted}`);
    const map = await ClusterMap.load(file, metadata.header, {
      offset: snapshot.l1Offset,
      entries: snapshot.l1Entries,
    });
    const compressed = new CompressedClusters(file, metadata.header, host.compression);
    return new SnapshotView(image, snapshot, new ClusterReader(file, map, compressed, backing, image.clusterBytes));
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    return this.#reader.read(offset, target);
  }

  extent(offset: number, length: number): Promise<Extent> {
    return this.#reader.extent(offset, length);
  }

  write(): Promise<never> {
    return this.#refuse();
  }

  writeZeros(): Promise<never> {
    return this.#refuse();
  }

  discard(): Promise<never> {
    return this.#refuse();
  }

  async flush(): Promise<void> {}

  close(): Promise<void> {
    return this.#image.close();
  }

  async #refuse(): Promise<never> {
    throw new RequestRefused('a snapshot is only read');
  }
}
