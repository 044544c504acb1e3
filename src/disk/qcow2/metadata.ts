import { type ImageFile, RequestRefused } from '../interfaces.ts';
import { Mutex } from '../mutex.ts';
import { ClusterMap } from './cluster-map.ts';
import { encodeHeader, type Qcow2Header } from './header.ts';
import { ABSENT, EntryTable, type Mapping } from './l2-table.ts';
import { Refcounts } from './refcounts.ts';

/** Changed tables and freed clusters beyond this are written without being asked. */
const MAX_DIRTY_BYTES = 4 << 20;
const MAX_FREED_RUNS = 65536;
const MAX_L1_ENTRIES = (32 << 20) / 8;

/** New clusters, one after the other in the file. */
export interface NewClusters {
  readonly offset: number;
  readonly count: number;
}

/**
 * The tables of an image that is written to. They change in memory and are written in an order in which what is in the
 * file never refers to what is not: counts and new tables; then what refers to them; then counts of what was given up.
 * A crash between any two writes leaks clusters at worst.
 */
export class Metadata {
  readonly file: ImageFile;
  readonly header: Qcow2Header;
  readonly map: ClusterMap;
  readonly refcounts: Refcounts;
  readonly #clusterBytes: number;
  readonly #mutex = new Mutex();
  #failure: { readonly error: unknown } | undefined;

  constructor(file: ImageFile, header: Qcow2Header, map: ClusterMap, refcounts: Refcounts) {
    this.file = file;
    this.header = header;
    this.map = map;
    this.refcounts = refcounts;
    this.#clusterBytes = 2 ** header.clusterBits;
  }

  static async load(file: ImageFile, header: Qcow2Header): Promise<Metadata> {
    const map = await ClusterMap.load(file, header, { offset: header.l1Offset, entries: header.l1Entries });
    return new Metadata(file, header, map, await Refcounts.load(file, header));
  }

  /** Runs a change of the tables alone. After one that failed half-way, nothing is written any more. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#mutex.run(async () => {
      if (this.#failure !== undefined) throw this.#failure.error;
      try {
        return await work();
      } catch (error) {
        this.#failure = { error };
        throw error;
      }
    });
  }

  /** Takes between one and `most` free clusters. */
  allocate(most: number): Promise<NewClusters> {
    return this.exclusively(async () => {
      const { cluster, count } = await this.refcounts.allocateUpTo(most);
      return { offset: cluster * this.#clusterBytes, count };
    });
  }

  /** Says where clusters of the disk are from now on, and gives up where they were.
   * @param mappings one for each cluster from `first` on */
  async link(first: number, mappings: readonly Mapping[]): Promise<void> {
    await this.exclusively(async () => {
      for (const [i, mapping] of mappings.entries()) {
        this.#release(await this.map.replace(first + i, mapping, this.refcounts));
      }
      if (this.map.dirtyBytes > MAX_DIRTY_BYTES || this.refcounts.freedRuns > MAX_FREED_RUNS) await this.writeBack();
    });
  }

  /** Gives up clusters of the disk: `mappingOf` tells what each is from now on, from what it was, or nothing. */
  async unlink(first: number, count: number, mappingOf: (before: Mapping) => Mapping | undefined): Promise<void> {
    for (let at = 0; at < count; ) {
      const { mapping, clusters } = await this.map.run(first + at, Math.min(count - at, 4096));
      const next = mappingOf(mapping);
      if (next !== undefined) await this.link(first + at, Array<Mapping>(clusters).fill(next));
      at += clusters;
    }
  }

  /** Writes everything, so that it is durable. */
  flush(): Promise<void> {
    return this.exclusively(() => this.writeBack());
  }

  /** As {@link flush}, inside of {@link exclusively}. */
  async writeBack(): Promise<void> {
    await this.map.writeFresh();
    await this.refcounts.writeIncreases();
    await this.file.flush();
    if (this.map.isDirty) {
      await this.map.writeChanges();
      await this.file.flush();
    }
    await this.refcounts.releaseFreed();
  }

  /** Writes the header, inside of {@link exclusively}; what it refers to must be durable. */
  async writeHeader(): Promise<void> {
    await this.file.write(0, encodeHeader(this.file.name, this.header));
    await this.file.flush();
  }

  /** Makes the L1 table long enough for a disk of this size. */
  async growL1(entries: number): Promise<void> {
    const before = this.map.l1;
    if (entries <= before.length) return;
    if (entries > MAX_L1_ENTRIES) throw new RequestRefused('the disk is too large for the size of its clusters');
    const clusters = Math.ceil((entries * 8) / this.#clusterBytes);
    const cluster = await this.refcounts.allocate(clusters);
    await this.writeBack();
    const bytes = new Uint8Array(clusters * this.#clusterBytes);
    bytes.set(before.bytes);
    await this.file.write(cluster * this.#clusterBytes, bytes);
    await this.file.flush();
    this.refcounts.free(this.header.l1Offset / this.#clusterBytes, Math.ceil(before.bytes.length / this.#clusterBytes));
    this.header.l1Offset = cluster * this.#clusterBytes;
    this.header.l1Entries = entries;
    await this.writeHeader();
    this.map.replaceL1(new EntryTable(bytes.slice(0, entries * 8)));
  }

  /** Gives up what a cluster of the disk used. */
  #release(mapping: Mapping): void {
    if (mapping === ABSENT || mapping.kind === 'absent' || mapping.offset === 0) return;
    const first = Math.floor(mapping.offset / this.#clusterBytes);
    const length = mapping.kind === 'compressed' ? mapping.length : this.#clusterBytes;
    const last = Math.floor((mapping.offset + length - 1) / this.#clusterBytes);
    this.refcounts.free(first, last - first + 1);
  }
}
