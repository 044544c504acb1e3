import { type ImageFile, ImageInvalid } from '../interfaces.ts';
import type { Qcow2Header } from './header.ts';
import { ABSENT, EntryTable, L2Table, type Mapping } from './l2-table.ts';
import type { Refcounts } from './refcounts.ts';

const CACHE_BYTES = 16 << 20;

/** Neighbouring clusters that are found together. */
export interface MappedRun {
  /** The first cluster's. */
  readonly mapping: Mapping;
  /** Clusters that continue it: with data one after the other in the file, or of the same kind. */
  readonly clusters: number;
}

/**
 * Where the clusters of the disk are: an L1 table in memory and a cache of L2 tables. Changes stay in memory until
 * {@link writeFresh} and {@link writeChanges}; only one change is under way at a time, look-ups are free.
 */
export class ClusterMap {
  readonly #file: ImageFile;
  readonly #header: Qcow2Header;
  readonly #clusterBytes: number;
  readonly #perTable: number;
  readonly #tables = new Map<number, L2Table>();
  /** Those of them that differ from the file. */
  readonly #changed = new Set<L2Table>();
  readonly #loading = new Map<number, Promise<L2Table>>();
  #l1: EntryTable;

  private constructor(file: ImageFile, header: Qcow2Header, l1: EntryTable) {
    this.#file = file;
    this.#header = header;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#perTable = this.#clusterBytes / 8;
    this.#l1 = l1;
  }

  /** @param place the active L1 table's, or a snapshot's; inside the file */
  static async load(file: ImageFile, header: Qcow2Header, place: { offset: number; entries: number }) {
    const bytes = new Uint8Array(place.entries * 8);
    await file.read(place.offset, bytes);
    return new ClusterMap(file, header, new EntryTable(bytes));
  }

  /** Bytes of the disk that one L2 table describes. */
  get bytesPerTable(): number {
    return this.#perTable * this.#clusterBytes;
  }

  /** The L1 table as it is in memory. */
  get l1(): EntryTable {
    return this.#l1;
  }

  /** Bytes of tables that differ from the file. */
  get dirtyBytes(): number {
    return this.#changed.size * this.#clusterBytes;
  }

  get isDirty(): boolean {
    return this.#l1.isDirty || this.#changed.size > 0;
  }

  /** Looks up a cluster of the disk and up to `most` - 1 that continue it. @throws {ImageInvalid} its entry is damaged */
  async run(cluster: number, most: number): Promise<MappedRun> {
    const index = Math.floor(cluster / this.#perTable);
    const first = cluster % this.#perTable;
    const limit = Math.min(most, this.#perTable - first);
    const table = await this.#table(index);
    if (table === undefined) return { mapping: ABSENT, clusters: limit };
    const mapping = table.get(first);
    this.#check(mapping);
    let clusters = 1;
    while (clusters < limit && continues(mapping, table.get(first + clusters), clusters * this.#clusterBytes))
      clusters++;
    return { mapping, clusters };
  }

  /** Says where a cluster is now. @returns where it was */
  async replace(cluster: number, mapping: Mapping, refcounts: Refcounts): Promise<Mapping> {
    const table = await this.#tableForWrite(Math.floor(cluster / this.#perTable), refcounts);
    const index = cluster % this.#perTable;
    const before = table.get(index);
    this.#changed.add(table);
    table.put(index, mapping);
    return before;
  }

  /** Writes tables that nothing refers to yet. */
  async writeFresh(): Promise<void> {
    for (const table of this.#changed) {
      if (!table.fresh) continue;
      table.fresh = false;
      table.takeDirty();
      this.#changed.delete(table);
      await this.#file.write(table.offset, table.bytes.slice());
    }
  }

  /** Writes changes of tables that are in use. What they refer to must be durable. */
  async writeChanges(): Promise<void> {
    for (const table of this.#changed) await this.#writeDirty(table, table.offset);
    this.#changed.clear();
    if (this.#l1.isDirty) await this.#writeDirty(this.#l1, this.#header.l1Offset);
  }

  /** Puts a longer L1 table into the place of the present one, whose changes must be written. */
  replaceL1(l1: EntryTable): void {
    this.#l1 = l1;
  }

  /** Forgets all tables: the file was changed by others. Nothing may be dirty. */
  forget(): void {
    this.#tables.clear();
  }

  async #writeDirty(table: EntryTable, offset: number): Promise<void> {
    const { start, bytes } = table.takeDirty();
    await this.#file.write(offset + start, bytes);
  }

  async #table(index: number): Promise<L2Table | undefined> {
    const known = this.#tables.get(index);
    if (known !== undefined) return known;
    const { offset } = index < this.#l1.length ? this.#l1.place(index) : { offset: 0 };
    if (offset === 0) return undefined;
    const loading = this.#loading.get(index) ?? this.#load(index, offset);
    this.#loading.set(index, loading);
    return loading.finally(() => this.#loading.delete(index));
  }

  async #load(index: number, offset: number): Promise<L2Table> {
    if (offset % this.#clusterBytes !== 0 || offset + this.#clusterBytes > this.#file.sizeBytes) {
      throw new ImageInvalid(this.#file.name, `its L2 table ${index} at ${offset} lies outside the file`);
    }
    const bytes = new Uint8Array(this.#clusterBytes);
    await this.#file.read(offset, bytes);
    const table = new L2Table(bytes, this.#header.clusterBits, offset, false);
    this.#keep(index, table);
    return table;
  }

  #keep(index: number, table: L2Table): void {
    for (const [old, unused] of this.#tables) {
      if ((this.#tables.size + 1) * this.#clusterBytes <= CACHE_BYTES) break;
      if (!this.#changed.has(unused)) this.#tables.delete(old);
    }
    this.#tables.set(index, table);
  }

  /** The table of this index, which nobody else uses: made where it is absent, copied where a snapshot has it too. */
  async #tableForWrite(index: number, refcounts: Refcounts): Promise<L2Table> {
    for (;;) {
      const table = await this.#table(index);
      const place = this.#l1.place(index);
      if (table === undefined || !place.copied) return this.#addTable(index, table, refcounts);
      // A look-up may have dropped it from the cache while this waited.
      if (this.#tables.get(index) === table) return table;
    }
  }

  async #addTable(index: number, before: L2Table | undefined, refcounts: Refcounts): Promise<L2Table> {
    const bytes = before?.bytes.slice() ?? new Uint8Array(this.#clusterBytes);
    const offset = (await refcounts.allocate(1)) * this.#clusterBytes;
    if (before !== undefined) refcounts.free(before.offset / this.#clusterBytes);
    const table = new L2Table(bytes, this.#header.clusterBits, offset, true);
    this.#l1.setPlace(index, offset, true);
    this.#changed.add(table);
    this.#keep(index, table);
    return table;
  }

  #check(mapping: Mapping): void {
    if (mapping.kind !== 'data' && mapping.kind !== 'compressed') return;
    const aligned = mapping.kind === 'compressed' || mapping.offset % this.#clusterBytes === 0;
    if (!aligned || mapping.offset >= this.#file.sizeBytes) {
      throw new ImageInvalid(this.#file.name, `a cluster at ${mapping.offset} lies outside the file`);
    }
  }
}

function continues(first: Mapping, next: Mapping, distance: number): boolean {
  if (first.kind === 'data') {
    return next.kind === 'data' && next.copied === first.copied && next.offset === first.offset + distance;
  }
  return first.kind === next.kind && first.kind !== 'compressed';
}
