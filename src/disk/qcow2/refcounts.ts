import { type ImageFile, ImageInvalid } from '../interfaces.ts';
import { encodeHeader, type Qcow2Header } from './header.ts';
import { RefcountBlock } from './refcount-block.ts';

const CACHE_BYTES = 8 << 20;
/** Bits 9 to 63 of a refcount table's entry. */
const OFFSET_LOW = 0xffff_fe00;

/** Clusters one after the other. */
interface Run {
  readonly cluster: number;
  readonly count: number;
}

/**
 * How often each cluster of the file is used. Increases reach the file before anything refers to the clusters
 * ({@link writeIncreases}); decreases wait until nothing in the file refers to them any more ({@link releaseFreed}), and
 * until then the clusters are not given out again. So a crash leaks clusters at worst.
 */
export class Refcounts {
  readonly #file: ImageFile;
  readonly #header: Qcow2Header;
  readonly #clusterBytes: number;
  readonly #perBlock: number;
  /** Offsets of the blocks, 0 for those that are absent. */
  #table: Float64Array;
  #dirtyEntries = new Set<number>();
  readonly #blocks = new Map<number, RefcountBlock>();
  #freed: Run[] = [];
  /** No cluster below is free. */
  #firstFree = 0;

  private constructor(file: ImageFile, header: Qcow2Header, table: Float64Array) {
    this.#file = file;
    this.#header = header;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#perBlock = (this.#clusterBytes * 8) / 2 ** header.refcountOrder;
    this.#table = table;
  }

  /** @throws {ImageInvalid} an entry of the table is damaged */
  static async load(file: ImageFile, header: Qcow2Header): Promise<Refcounts> {
    const bytes = new Uint8Array(header.refcountTableClusters * 2 ** header.clusterBits);
    await file.read(header.refcountTableOffset, bytes);
    return new Refcounts(file, header, decodeTable(bytes));
  }

  /** The table as it is in memory: offsets of refcount blocks, 0 where there is none. */
  get table(): Float64Array {
    return this.#table;
  }

  get clustersPerBlock(): number {
    return this.#perBlock;
  }

  /** The largest count that fits. */
  get most(): number {
    return Math.min(2 ** (2 ** this.#header.refcountOrder) - 1, Number.MAX_SAFE_INTEGER);
  }

  async get(cluster: number): Promise<number> {
    const block = await this.block(Math.floor(cluster / this.#perBlock));
    return block?.get(cluster % this.#perBlock) ?? 0;
  }

  /** Takes between one and `most` free clusters that lie one after the other. */
  async allocateUpTo(most: number): Promise<Run> {
    for (let cluster = this.#firstFree; ; ) {
      const covered = await this.#cover(cluster);
      if (covered && (await this.get(cluster)) === 0) return this.#take(cluster, most);
      cluster++;
      this.#firstFree = cluster;
    }
  }

  /** Takes exactly `count` clusters that lie one after the other. @returns the first one's number */
  async allocate(count: number): Promise<number> {
    for (let start = this.#firstFree, cluster = start; ; cluster++) {
      const free = (await this.#cover(cluster, count)) && (await this.get(cluster)) === 0;
      if (!free) start = cluster + 1;
      else if (cluster + 1 - start === count) {
        for (let taken = start; taken <= cluster; taken++) await this.#set(taken, 1);
        return start;
      }
    }
  }

  /** Takes one certain cluster. @returns whether it was free */
  async allocateAt(cluster: number): Promise<boolean> {
    const free = (await this.#cover(cluster)) && (await this.get(cluster)) === 0;
    if (free) await this.#set(cluster, 1);
    return free;
  }

  /** Counts one more use of a cluster. @throws {ImageInvalid} its count is at its end */
  async increase(cluster: number): Promise<void> {
    const count = await this.get(cluster);
    if (count === 0 || count >= this.most) {
      throw new ImageInvalid(this.#file.name, `cluster ${cluster} has the refcount ${count} and cannot be shared`);
    }
    await this.#set(cluster, count + 1);
  }

  /** Takes back one use of each of these clusters, once the file does not refer to them. */
  free(cluster: number, count = 1): void {
    this.#freed.push({ cluster, count });
  }

  /** Uses that were given up since the last {@link releaseFreed}. */
  get freedRuns(): number {
    return this.#freed.length;
  }

  /** Whether {@link writeIncreases} has anything to do. */
  get isDirty(): boolean {
    return this.#dirtyEntries.size > 0 || [...this.#blocks.values()].some(({ dirty }) => dirty);
  }

  /** Writes changed counts. What the table refers to is in the file before the table is. */
  async writeIncreases(): Promise<void> {
    await this.#writeBlocks();
    if (this.#dirtyEntries.size > 0) await this.#file.flush();
    for (const index of this.#dirtyEntries) {
      const entry = new Uint8Array(8);
      new DataView(entry.buffer).setBigUint64(0, BigInt(this.#table[index] ?? 0));
      await this.#file.write(this.#header.refcountTableOffset + index * 8, entry);
    }
    this.#dirtyEntries.clear();
  }

  /** Writes what {@link free} was told; the file no longer refers to these clusters. */
  async releaseFreed(): Promise<void> {
    const freed = this.#freed;
    this.#freed = [];
    for (const { cluster, count } of freed) {
      for (let i = cluster; i < cluster + count; i++) await this.#decrease(i);
    }
    await this.#writeBlocks();
  }

  /** Gives a count that a check found to be right; its block is there. */
  async correct(cluster: number, count: number): Promise<void> {
    if (count === 0) this.#firstFree = Math.min(this.#firstFree, cluster);
    await this.#set(cluster, count);
  }

  /** Puts an empty block into a cluster that a check found to be unused, in place of one that is absent or damaged. */
  async replaceBlock(index: number, cluster: number): Promise<void> {
    if (index >= this.#table.length) await this.#growTable(index);
    this.#addBlock(index, cluster);
  }

  async #decrease(cluster: number): Promise<void> {
    const count = await this.get(cluster);
    if (count === 0) throw new ImageInvalid(this.#file.name, `cluster ${cluster} is used but has the refcount 0`);
    if (count === 1) this.#firstFree = Math.min(this.#firstFree, cluster);
    await this.#set(cluster, count - 1);
  }

  async #take(first: number, most: number): Promise<Run> {
    let count = 0;
    do {
      await this.#set(first + count, 1);
      count++;
    } while (count < most && (first + count) % this.#perBlock !== 0 && (await this.get(first + count)) === 0);
    this.#firstFree = first + count;
    return { cluster: first, count };
  }

  async #set(cluster: number, count: number): Promise<void> {
    const block = await this.block(Math.floor(cluster / this.#perBlock));
    if (block === undefined) throw new ImageInvalid(this.#file.name, `cluster ${cluster} has no refcount`);
    block.set(cluster % this.#perBlock, count);
  }

  /** The block with the counts of `clustersPerBlock` clusters, or undefined where it is absent.
   * @throws {ImageInvalid} it lies outside the file */
  async block(index: number): Promise<RefcountBlock | undefined> {
    const known = this.#blocks.get(index);
    if (known !== undefined) return known;
    const offset = this.#table[index] ?? 0;
    if (offset === 0) return undefined;
    if (offset % this.#clusterBytes !== 0 || offset + this.#clusterBytes > this.#file.sizeBytes) {
      throw new ImageInvalid(this.#file.name, `its refcount block ${index} at ${offset} lies outside the file`);
    }
    this.#shrinkCache();
    const bytes = new Uint8Array(this.#clusterBytes);
    await this.#file.read(offset, bytes);
    const block = new RefcountBlock(bytes, this.#header.refcountOrder);
    this.#blocks.set(index, block);
    return block;
  }

  /** Makes sure that there is a block with this cluster's count. New blocks take the cluster in question and those after
   * it, and count `ahead` more clusters without a gap.
   * @returns whether nothing was made, so that the cluster may be free */
  async #cover(cluster: number, ahead = 1): Promise<boolean> {
    const index = Math.floor(cluster / this.#perBlock);
    if ((this.#table[index] ?? 0) !== 0) return true;
    const blocks = ahead === 1 ? 1 : Math.ceil((ahead + 1) / (this.#perBlock - 1)) + 1;
    if (index + blocks > this.#table.length) return this.#growTable(index + blocks);
    for (let i = 0; i < blocks; i++) if ((this.#table[index + i] ?? 0) === 0) this.#addBlock(index + i, cluster + i);
    for (let i = 0; i < blocks; i++) await this.#set(cluster + i, 1);
    return false;
  }

  #addBlock(index: number, cluster: number): void {
    const block = new RefcountBlock(new Uint8Array(this.#clusterBytes), this.#header.refcountOrder);
    block.dirty = true;
    this.#blocks.set(index, block);
    this.#table[index] = cluster * this.#clusterBytes;
    this.#dirtyEntries.add(index);
  }

  /** Moves the table to a larger place: the first clusters that it did not cover, behind the blocks that count them. */
  async #growTable(index: number): Promise<false> {
    const first = this.#table.length * this.#perBlock;
    const clusters = Math.ceil((Math.max(index + 2, Math.ceil(this.#table.length * 1.5)) * 8) / this.#clusterBytes);
    const blocks = Math.ceil(clusters / (this.#perBlock - 1));
    const old = {
      cluster: this.#header.refcountTableOffset / this.#clusterBytes,
      count: this.#header.refcountTableClusters,
    };
    await this.#replaceTable(first, blocks, clusters);
    const offset = (first + blocks) * this.#clusterBytes;
    await this.#writeBlocks();
    await this.#file.write(offset, encodeTable(this.#table));
    await this.#file.flush();
    this.#header.refcountTableOffset = offset;
    this.#header.refcountTableClusters = clusters;
    await this.#file.write(0, encodeHeader(this.#file.name, this.#header));
    await this.#file.flush();
    this.#dirtyEntries.clear();
    this.free(old.cluster, old.count);
    return false;
  }

  /** Enlarges the table in memory, with blocks that count themselves and the clusters of the table after them. */
  async #replaceTable(first: number, blocks: number, clusters: number): Promise<void> {
    const firstIndex = this.#table.length;
    const table = new Float64Array(Math.max((clusters * this.#clusterBytes) / 8, firstIndex + blocks));
    table.set(this.#table);
    this.#table = table;
    for (let i = 0; i < blocks; i++) this.#addBlock(firstIndex + i, first + i);
    for (let i = 0; i < blocks + clusters; i++) await this.#set(first + i, 1);
  }

  async #writeBlocks(): Promise<void> {
    for (const [index, block] of this.#blocks) {
      if (!block.dirty) continue;
      block.dirty = false;
      await this.#file.write(this.#table[index] ?? 0, block.bytes);
    }
  }

  /** Forgets blocks that are as in the file while there are too many. */
  #shrinkCache(): void {
    for (const [index, { dirty }] of this.#blocks) {
      if (this.#blocks.size * this.#clusterBytes < CACHE_BYTES) return;
      if (!dirty) this.#blocks.delete(index);
    }
  }
}

function decodeTable(bytes: Uint8Array<ArrayBuffer>): Float64Array {
  const view = new DataView(bytes.buffer);
  const low = (i: number) => (view.getUint32(i * 8 + 4) & OFFSET_LOW) >>> 0;
  return Float64Array.from({ length: bytes.length / 8 }, (_, i) => view.getUint32(i * 8) * 2 ** 32 + low(i));
}

function encodeTable(table: Float64Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(table.length * 8));
  table.forEach((offset, i) => {
    view.setBigUint64(i * 8, BigInt(offset));
  });
  return new Uint8Array(view.buffer);
}
