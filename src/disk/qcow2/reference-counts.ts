const CHUNK = 65536;

/** How many things refer to each cluster of a file; parts of the file that nothing refers to take no space. */
export class ReferenceCounts {
  readonly #clusterBytes: number;
  readonly #chunks = new Map<number, Uint32Array>();
  /** Clusters up to the end of the file or of what is referred to. */
  clusters: number;

  constructor(clusterBytes: number, fileBytes: number) {
    this.#clusterBytes = clusterBytes;
    this.clusters = Math.ceil(fileBytes / clusterBytes);
  }

  /** Counts a use of every cluster that the range touches. */
  add(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / this.#clusterBytes);
    for (let cluster = Math.floor(offset / this.#clusterBytes); cluster <= last; cluster++) {
      const index = Math.floor(cluster / CHUNK);
      const chunk = this.#chunks.get(index) ?? new Uint32Array(CHUNK);
      this.#chunks.set(index, chunk);
      chunk[cluster % CHUNK]++;
    }
    this.clusters = Math.max(this.clusters, last + 1);
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  anyIn(first: number, count: number): boolean {
    for (let cluster = first; cluster < first + count; cluster++) if (this.get(cluster) > 0) return true;
    return false;
  }
}
