import type { CheckReport, Repair } from '../interfaces.ts';
import { readBitmapTable } from './bitmaps.ts';
import { INCOMPATIBLE } from './header.ts';
import type { Qcow2Parts } from './image.ts';
import { EntryTable, L2Table, type Mapping } from './l2-table.ts';
import { ReferenceCounts } from './reference-counts.ts';

/** A defect beyond this is counted without a line of its own. */
const MAX_MESSAGES = 1000;

/** Counts what the image refers to and compares that with its refcounts. The image must not be changed meanwhile, and
 * nothing may wait in memory to be written. */
export async function checkQcow2(parts: Qcow2Parts, repair: Repair): Promise<CheckReport> {
  const check = new Check(parts, repair);
  await check.countAll();
  await check.compare();
  await check.checkCopiedFlags();
  await check.finish();
  return check.report;
}

class Check {
  readonly #parts: Qcow2Parts;
  readonly #repair: Repair;
  readonly #clusterBytes: number;
  readonly #references: ReferenceCounts;
  readonly #counts = { corruptions: 0, leaks: 0, corruptionsFixed: 0, leaksFixed: 0 };
  readonly #clusters = { total: 0, allocated: 0, fragmented: 0, compressed: 0 };
  readonly #messages: string[] = [];
  /** Where a cluster of the disk lies if it continues the one before. */
  #nextOffset = 0;
  #lastUsed = 0;

  constructor(parts: Qcow2Parts, repair: Repair) {
    this.#parts = parts;
    this.#repair = repair;
    this.#clusterBytes = 2 ** parts.metadata.header.clusterBits;
    this.#references = new ReferenceCounts(this.#clusterBytes, parts.file.sizeBytes);
    this.#clusters.total = Math.ceil(parts.metadata.header.sizeBytes / this.#clusterBytes);
  }

  get report(): CheckReport {
    return {
      ...this.#counts,
      checkErrors: 0,
      messages: this.#messages,
      imageEndOffset: (this.#lastUsed + 1) * this.#clusterBytes,
      totalClusters: this.#clusters.total,
      allocatedClusters: this.#clusters.allocated,
      fragmentedClusters: this.#clusters.fragmented,
      compressedClusters: this.#clusters.compressed,
    };
  }

  async countAll(): Promise<void> {
    const { file, snapshots, metadata, bitmapEntries } = this.#parts;
    const { header, refcounts, map } = metadata;
    this.#use(0, this.#clusterBytes, 'header');
    await this.#countL1(map.l1, header.l1Offset, true);
    for (const { l1Offset, l1Entries } of snapshots.snapshots) {
      const bytes = new Uint8Array(l1Entries * 8);
      await file.read(l1Offset, bytes);
      await this.#countL1(new EntryTable(bytes), l1Offset, false);
    }
    this.#use(header.snapshotsOffset, snapshots.sizeBytes, 'snapshot table');
    this.#use(header.refcountTableOffset, header.refcountTableClusters * this.#clusterBytes, 'refcount table');
    for (const [index, offset] of refcounts.table.entries()) {
      if (offset !== 0 && this.#isCluster(offset)) this.#use(offset, this.#clusterBytes, `refcount block ${index}`);
    }
    if (header.bitmaps !== undefined && bitmapEntries.length > 0) {
      this.#use(header.bitmaps.offset, header.bitmaps.sizeBytes, 'bitmap directory');
      for (const entry of bitmapEntries) await this.#countBitmap(entry);
    }
  }

  /** Compares all counts and repairs those that are wrong, where this is asked for. */
  async compare(): Promise<void> {
    const { refcounts } = this.#parts.metadata;
    await this.#replaceLostBlocks();
    const blocks = Math.max(refcounts.table.length, Math.ceil(this.#references.clusters / refcounts.clustersPerBlock));
    for (let index = 0; index < blocks; index++) {
      const usable = index < refcounts.table.length && this.#isUsableBlock(refcounts.table[index] ?? 0);
      const block = usable ? await refcounts.block(index) : undefined;
      const first = index * refcounts.clustersPerBlock;
      if (block === undefined && first >= this.#references.clusters) continue;
      for (let i = 0; i < refcounts.clustersPerBlock; i++) {
        const [count, references] = [block?.get(i) ?? 0, this.#references.get(first + i)];
        if (references > 0 || count > 0) this.#lastUsed = Math.max(this.#lastUsed, first + i);
        if (count !== references) await this.#wrongCount(first + i, count, references);
      }
    }
    await this.#writeRepairs();
  }

  /** Bit 63 of entries says that a refcount is 1: writers rely on it. */
  async checkCopiedFlags(): Promise<void> {
    const { file, metadata } = this.#parts;
    const { l1, bytesPerTable } = metadata.map;
    for (let index = 0; index < l1.length; index++) {
      const { offset, copied } = l1.place(index);
      if (offset === 0 || !this.#isCluster(offset)) continue;
      if (await this.#isWrongFlag(offset, copied, `L2 table ${index}`)) l1.setPlace(index, offset, !copied);
      const table = await this.#readL2(offset);
      for (let i = 0; i < table.length; i++) await this.#checkCopiedFlag(table, i);
      if (table.isDirty) {
        const { start, bytes } = table.takeDirty();
        await file.write(offset + start, bytes);
      }
    }
    if (bytesPerTable > 0 && l1.isDirty) {
      const { start, bytes } = l1.takeDirty();
      await file.write(metadata.header.l1Offset + start, bytes);
    }
  }

  /** Takes away the marks of damage from an image that has none left. */
  async finish(): Promise<void> {
    const { metadata, file } = this.#parts;
    const marks = INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt;
    if (this.#repair === 'none' || file.readOnly) return;
    await file.flush();
    metadata.map.forget();
    if (this.#repair !== 'all' || this.#counts.corruptions > 0 || (metadata.header.incompatible & marks) === 0) return;
    metadata.header.incompatible &= ~marks;
    await metadata.writeHeader();
  }

  async #checkCopiedFlag(table: L2Table, index: number): Promise<void> {
    const mapping = table.get(index);
    if (mapping.kind !== 'data' && mapping.kind !== 'zero') return;
    if (mapping.offset === 0 || !this.#isCluster(mapping.offset)) return;
    if (await this.#isWrongFlag(mapping.offset, mapping.copied, 'data cluster')) {
      table.put(index, { ...mapping, copied: !mapping.copied });
    }
  }

  /** @returns whether it is wrong and to be repaired */
  async #isWrongFlag(offset: number, copied: boolean, what: string): Promise<boolean> {
    const { refcounts } = this.#parts.metadata;
    const cluster = offset / this.#clusterBytes;
    const index = Math.floor(cluster / refcounts.clustersPerBlock);
    const count = this.#isUsableBlock(refcounts.table[index] ?? 0) ? await refcounts.get(cluster) : 0;
    if ((count === 1) === copied) return false;
    return this.#corruption(`OFLAG_COPIED ${what}: offset=${offset.toString(16)} refcount=${count}`);
  }

  async #countL1(l1: EntryTable, offset: number, active: boolean): Promise<void> {
    this.#use(offset, l1.bytes.length, 'L1 table');
    for (let index = 0; index < l1.length; index++) {
      const place = l1.place(index);
      if (place.offset === 0) continue;
      if (!this.#use(place.offset, this.#clusterBytes, `L2 table ${index}`)) continue;
      if (!this.#isCluster(place.offset)) continue;
      const table = await this.#readL2(place.offset);
      for (let i = 0; i < table.length; i++) this.#countMapping(table.get(i), active);
    }
  }

  #countMapping(mapping: Mapping, active: boolean): void {
    if (mapping.kind === 'absent' || mapping.offset === 0) return;
    if (mapping.kind === 'compressed') this.#use(mapping.offset, mapping.length, 'compressed cluster', false);
    else this.#use(mapping.offset, this.#clusterBytes, 'data cluster');
    if (!active) return;
    this.#clusters.allocated++;
    if (mapping.kind === 'compressed') {
      this.#clusters.compressed++;
      this.#clusters.fragmented++;
      return;
    }
    if (this.#nextOffset !== 0 && mapping.offset !== this.#nextOffset) this.#clusters.fragmented++;
    this.#nextOffset = mapping.offset + this.#clusterBytes;
  }

  async #countBitmap(entry: Parameters<typeof readBitmapTable>[1]): Promise<void> {
    const table = await readBitmapTable(this.#parts.file, entry);
    this.#use(entry.tableOffset, table.bytes.length, 'bitmap table');
    for (let index = 0; index < table.length; index++) {
      const { offset } = table.place(index);
      if (offset !== 0) this.#use(offset, this.#clusterBytes, 'bitmap');
    }
  }

  async #readL2(offset: number): Promise<L2Table> {
    const bytes = new Uint8Array(this.#clusterBytes);
    await this.#parts.file.read(offset, bytes);
    return new L2Table(bytes, this.#parts.metadata.header.clusterBits, offset, false);
  }

  /** Counts a use. @returns whether the range is a place for such a thing */
  #use(offset: number, length: number, what: string, aligned = true): boolean {
    if (length === 0) return true;
    const inside = offset + length <= this.#parts.file.sizeBytes + this.#clusterBytes;
    if (!inside || (aligned && offset % this.#clusterBytes !== 0)) {
      this.#report(`ERROR ${what}: offset=${offset.toString(16)} lies outside the file or between clusters`);
      this.#counts.corruptions++;
      return false;
    }
    this.#references.add(offset, length);
    return true;
  }

  /** Blocks of refcounts that are absent although their clusters are in use, or lie outside the file, are made anew
   * behind the end of the file. */
  async #replaceLostBlocks(): Promise<void> {
    const { refcounts } = this.#parts.metadata;
    for (let index = 0; index * refcounts.clustersPerBlock < this.#references.clusters; index++) {
      const offset = refcounts.table[index] ?? 0;
      const used = this.#references.anyIn(index * refcounts.clustersPerBlock, refcounts.clustersPerBlock);
      if (this.#isUsableBlock(offset) || !(used || offset !== 0)) continue;
      if (!this.#corruption(`refcount block ${index}: offset=${offset.toString(16)} is no block`)) continue;
      const cluster = this.#references.clusters;
      await refcounts.replaceBlock(index, cluster);
      this.#references.add(cluster * this.#clusterBytes, this.#clusterBytes);
    }
  }

  async #wrongCount(cluster: number, count: number, references: number): Promise<void> {
    const leak = count > references;
    const fix = this.#repair === 'all' || (leak && this.#repair === 'leaks');
    const verb = fix ? 'Repairing' : leak ? 'Leaked' : 'ERROR';
    this.#report(`${verb} cluster ${cluster} refcount=${count} reference=${references}`);
    if (fix) await this.#parts.metadata.refcounts.correct(cluster, references);
    if (leak) this.#counts[fix ? 'leaksFixed' : 'leaks']++;
    else this.#counts[fix ? 'corruptionsFixed' : 'corruptions']++;
  }

  async #writeRepairs(): Promise<void> {
    if (this.#repair === 'none') return;
    await this.#parts.metadata.refcounts.writeIncreases();
    await this.#parts.file.flush();
  }

  /** @returns whether it is to be repaired */
  #corruption(what: string): boolean {
    const fix = this.#repair === 'all';
    this.#report(`${fix ? 'Repairing' : 'ERROR'} ${what}`);
    this.#counts[fix ? 'corruptionsFixed' : 'corruptions']++;
    return fix;
  }

  #report(message: string): void {
    if (this.#messages.length < MAX_MESSAGES) this.#messages.push(message);
  }

  #isUsableBlock(offset: number): boolean {
    return offset !== 0 && (this.#isCluster(offset) || (offset >= this.#parts.file.sizeBytes && this.#isFresh(offset)));
  }

  /** A block that this check made is not in the file yet. */
  #isFresh(offset: number): boolean {
    return this.#repair === 'all' && this.#references.get(offset / this.#clusterBytes) > 0;
  }

  #isCluster(offset: number): boolean {
    return offset % this.#clusterBytes === 0 && offset + this.#clusterBytes <= this.#parts.file.sizeBytes;
  }
}
