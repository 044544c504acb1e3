import type { BackingImage } from '../backing.ts';
import {
  type BackingReference,
  type CheckReport,
  type DiskHost,
  type Extent,
  type ImageDriver,
  type ImageFacts,
  type ImageFile,
  type Repair,
  RequestRefused,
} from '../interfaces.ts';
import type { BitmapEntry, Bitmaps } from './bitmaps.ts';
import { checkQcow2 } from './check.ts';
import { CompressedClusters } from './compressed.ts';
import { qcow2Facts } from './facts.ts';
import { AUTOCLEAR } from './header.ts';
import { ABSENT, type Mapping, ZERO_CLUSTER } from './l2-table.ts';
import type { Metadata, NewClusters } from './metadata.ts';
import { ClusterReader } from './reader.ts';
import type { SnapshotTable } from './snapshots.ts';

/** Bytes of new clusters that are written at once. */
const MAX_WRITE_BYTES = 2 << 20;

/** What an open image is made of. */
export interface Qcow2Parts {
  readonly file: ImageFile;
  readonly metadata: Metadata;
  readonly host: DiskHost;
  readonly backing: BackingImage | undefined;
  readonly snapshots: SnapshotTable;
  readonly bitmapEntries: readonly BitmapEntry[];
  /** Absent when the image is only read. */
  readonly bitmaps: Bitmaps | undefined;
}

/** QEMU's format of its second version and later (docs/interop/qcow2.txt). Data goes to the file at once; {@link Metadata}
 * tells when the tables do. */
export class Qcow2Image implements ImageDriver {
  readonly format = 'qcow2';
  readonly clusterBytes: number;
  readonly parts: Qcow2Parts;
  readonly #reader: ClusterReader;
  readonly #compressed: CompressedClusters;
  #changed: Promise<void> | undefined;
  /** Where the next compressed cluster may begin: behind the one before, or 0. */
  #compressedEnd = 0;

  constructor(parts: Qcow2Parts) {
    const { file, metadata, host, backing } = parts;
    this.parts = parts;
    this.clusterBytes = 2 ** metadata.header.clusterBits;
    this.#compressed = new CompressedClusters(file, metadata.header, host.compression);
    this.#reader = new ClusterReader(file, metadata.map, this.#compressed, backing, this.clusterBytes);
  }

  get sizeBytes(): number {
    return this.#metadata.header.sizeBytes;
  }

  get readOnly(): boolean {
    return this.parts.file.readOnly;
  }

  get backing(): BackingImage | undefined {
    return this.parts.backing;
  }

  get facts(): ImageFacts {
    return qcow2Facts(this.#metadata.header, this.parts.snapshots.snapshots, this.parts.bitmapEntries);
  }

  read(offset: number, target: Uint8Array): Promise<void> {
    const inside = Math.min(target.length, Math.max(0, this.sizeBytes - offset));
    target.fill(0, inside);
    return this.#reader.read(offset, target.subarray(0, inside));
  }

  extent(offset: number, length: number): Promise<Extent> {
    return this.#reader.extent(offset, length);
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    this.#compressedEnd = 0;
    await this.#changing(offset, source.length);
    for (let at = 0; at < source.length; ) {
      const { mapping, within, length } = await this.#reader.piece(offset + at, source.length - at);
      const part = source.subarray(at, at + length);
      if (mapping.kind === 'data' && mapping.copied) {
        await this.parts.file.write(mapping.offset + within, part);
        at += length;
      } else {
        at += await this.#writeNew(offset + at, part);
      }
    }
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    await this.#changing(offset, length);
    const version2 = this.#metadata.header.version === 2;
    if (version2 && this.backing !== undefined) return this.#writeZerosAsData(offset, length);
    const [first, end] = this.#wholeClusters(offset, length);
    if (first >= end) return this.#writeZerosAsData(offset, length);
    await this.#writeZerosAsData(offset, first * this.clusterBytes - offset);
    await this.#dropClusters(first, end - first);
    const tail = end * this.clusterBytes;
    await this.#writeZerosAsData(tail, offset + length - tail);
  }

  /** Clusters that lie in the range as a whole read as zeros afterwards. */
  async discard(offset: number, length: number): Promise<void> {
    if (this.#metadata.header.version === 2 && this.backing !== undefined) return;
    const [first, end] = this.#wholeClusters(offset, length);
    if (first >= end) return;
    await this.#changing(first * this.clusterBytes, (end - first) * this.clusterBytes);
    await this.#dropClusters(first, end - first);
  }

  flush(): Promise<void> {
    return this.#metadata.flush();
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly) {
        await this.parts.bitmaps?.store();
        await this.#metadata.flush();
        await this.parts.file.flush();
      }
    } finally {
      await this.parts.file.close();
      await this.backing?.close();
    }
  }

  /** @throws {RequestRefused} the image's snapshots have no sizes of their own */
  async resize(sizeBytes: number): Promise<void> {
    const { header, map } = this.#metadata;
    if (this.parts.snapshots.snapshots.length > 0 && header.version === 2) {
      throw new RequestRefused('an image of qcow2 version 2 with snapshots cannot be resized');
    }
    await this.#changing(0, 0);
    await this.parts.bitmaps?.invalidate();
    const before = header.sizeBytes;
    if (sizeBytes < before) await this.#cutOff(sizeBytes, before);
    await this.#metadata.exclusively(async () => {
      await this.#metadata.growL1(Math.ceil(sizeBytes / map.bytesPerTable));
      await this.#metadata.writeBack();
      header.sizeBytes = sizeBytes;
      await this.#metadata.writeHeader();
    });
    const hidden = Math.min(sizeBytes, this.backing?.sizeBytes ?? 0) - before;
    if (hidden > 0) await this.writeZeros(before, hidden);
  }

  check(repair: Repair): Promise<CheckReport> {
    return this.#metadata.exclusively(async () => {
      if (!this.readOnly) await this.#metadata.writeBack();
      return checkQcow2(this.parts, repair);
    });
  }

  /** Gives up everything that the image has over its backing image. */
  async empty(): Promise<void> {
    await this.#changing(0, this.sizeBytes);
    const clusters = Math.ceil(this.sizeBytes / this.clusterBytes);
    await this.#metadata.unlink(0, clusters, ({ kind }) => (kind === 'absent' ? undefined : ABSENT));
  }

  /** Changes the note of what the image lies on, and nothing else.
   * @throws {ImageInvalid} the name is too long */
  async changeBacking(reference: BackingReference | undefined): Promise<void> {
    await this.#metadata.exclusively(async () => {
      await this.#metadata.writeBack();
      this.#metadata.header.backing = reference;
      await this.#metadata.writeHeader();
    });
  }

  async writeCompressed(offset: number, cluster: Uint8Array): Promise<void> {
    const whole = new Uint8Array(this.clusterBytes);
    whole.set(cluster);
    const packed = await this.#compressed.compress(whole);
    if (packed === undefined) return this.write(offset, cluster);
    await this.#changing(offset, cluster.length);
    this.#compressed.forget();
    const place = await this.#metadata.exclusively(() => this.#placeCompressed(packed.length));
    await this.parts.file.write(place, packed);
    const length = Math.ceil((place + packed.length) / 512) * 512 - place;
    await this.#metadata.link(offset / this.clusterBytes, [{ kind: 'compressed', offset: place, length }]);
  }

  get #metadata(): Metadata {
    return this.parts.metadata;
  }

  /** Called before anything changes: features that other programs keep up to date and this one does not are declared
   * void, and bitmaps record the range. */
  async #changing(offset: number, length: number): Promise<void> {
    this.#changed ??= this.#clearUnknownFeatures();
    await this.#changed;
    await this.parts.bitmaps?.changing(offset, length);
  }

  async #clearUnknownFeatures(): Promise<void> {
    const { header } = this.#metadata;
    if ((header.autoclear & ~AUTOCLEAR.bitmaps) === 0) return;
    header.autoclear &= AUTOCLEAR.bitmaps;
    await this.#metadata.exclusively(() => this.#metadata.writeHeader());
  }

  /** Writes the beginning of `source` to new clusters. @returns how much of it */
  async #writeNew(offset: number, source: Uint8Array): Promise<number> {
    const size = this.clusterBytes;
    const first = Math.floor(offset / size);
    const most = Math.ceil((offset + Math.min(source.length, MAX_WRITE_BYTES)) / size) - first;
    const made = await this.#metadata.allocate(most);
    const length = Math.min(source.length, (first + made.count) * size - offset);
    await this.#fill(made, offset, source.subarray(0, length));
    const mappings = Array.from({ length: made.count }, (_, i): Mapping => {
      return { kind: 'data', offset: made.offset + i * size, copied: true };
    });
    await this.#metadata.link(first, mappings);
    return length;
  }

  /** Writes new clusters whole: what `source` leaves of them is as it was. */
  async #fill(made: NewClusters, offset: number, source: Uint8Array): Promise<void> {
    const before = offset % this.clusterBytes;
    const after = made.count * this.clusterBytes - before - source.length;
    let bytes = source;
    if (before + after > 0) {
      bytes = new Uint8Array(made.count * this.clusterBytes);
      bytes.set(source, before);
      await this.read(offset - before, bytes.subarray(0, before));
      await this.read(offset + source.length, bytes.subarray(before + source.length));
    }
    await this.parts.file.write(made.offset, bytes);
  }

  /** The clusters that lie in a range as a whole; the disk's last one may be shorter. */
  #wholeClusters(offset: number, length: number): [first: number, end: number] {
    const reachesEnd = offset + length >= this.sizeBytes;
    const end = (offset + length) / this.clusterBytes;
    return [Math.ceil(offset / this.clusterBytes), reachesEnd ? Math.ceil(end) : Math.floor(end)];
  }

  /** Makes clusters read as zeros, without any space. */
  async #dropClusters(first: number, count: number): Promise<void> {
    this.#compressedEnd = 0;
    const mapping = this.backing === undefined ? ABSENT : ZERO_CLUSTER;
    await this.#metadata.unlink(first, count, ({ kind, ...before }) => {
      const same = kind === mapping.kind && !('offset' in before && before.offset !== 0);
      return same ? undefined : mapping;
    });
  }

  async #writeZerosAsData(offset: number, length: number): Promise<void> {
    for (let at = 0; at < length; at += MAX_WRITE_BYTES) {
      await this.write(offset + at, new Uint8Array(Math.min(MAX_WRITE_BYTES, length - at)));
    }
  }

  /** Clears what lies behind the new end, so that it is zeros should the disk grow again. */
  async #cutOff(sizeBytes: number, before: number): Promise<void> {
    const first = Math.ceil(sizeBytes / this.clusterBytes);
    await this.#writeZerosAsData(sizeBytes, Math.min(first * this.clusterBytes, before) - sizeBytes);
    const count = Math.ceil(before / this.clusterBytes) - first;
    await this.#metadata.unlink(first, Math.max(count, 0), ({ kind }) => (kind === 'absent' ? undefined : ABSENT));
  }

  /** Finds room for compressed data, in the rest of the cluster that the last went to where it is enough or can be
   * continued. @returns the offset */
  async #placeCompressed(length: number): Promise<number> {
    const { refcounts } = this.#metadata;
    const size = this.clusterBytes;
    const [start, end] = [this.#compressedEnd, this.#compressedEnd + length];
    const first = Math.floor(start / size);
    if (start % size !== 0 && (await refcounts.get(first)) < refcounts.most) {
      const fits = end <= (first + 1) * size || (await refcounts.allocateAt(first + 1));
      if (fits) {
        await refcounts.increase(first);
        this.#compressedEnd = end;
        return start;
      }
    }
    const place = (await refcounts.allocate(1)) * size;
    this.#compressedEnd = place + length;
    return place;
  }
}
