import type { SnapshotSink, SnapshotSource } from '../../vm/snapshot/format.ts';

/** A snapshot in a Blob: a file that the user has picked, or one of the origin's private file system. */
export class BlobSource implements SnapshotSource {
  readonly length: number;
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.length = blob.size;
    this.#blob = blob;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return new Uint8Array(await this.#blob.slice(offset, offset + length).arrayBuffer());
  }

  close(): void {}
}

/** A snapshot on a server, of which only what is needed is fetched: the server must know ranges (RFC 9110, section 14). */
export class HttpSource implements SnapshotSource {
  readonly length: number;
  readonly #address: string;

  private constructor(address: string, length: number) {
    this.#address = address;
    this.length = length;
  }

  /** @throws {Error} there is nothing, or the server does not say how long it is */
  static async open(address: string): Promise<HttpSource> {
    const { ok, status, headers } = await fetch(address, { method: 'HEAD' });
    const length = Number(headers.get('Content-Length') ?? Number.NaN);
    if (!ok || !Number.isSafeInteger(length)) throw new Error(`${address}: status ${status}, length ${length}`);
    return new HttpSource(address, length);
  }

  /** @throws {Error} the server does not give the range */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0);
    const headers = { Range: `bytes=${offset}-${offset + length - 1}` };
    const response = await fetch(this.#address, { headers });
    if (response.status !== PARTIAL_CONTENT) throw new Error(`${this.#address}: status ${response.status} for a range`);
    return new Uint8Array(await response.arrayBuffer());
  }

  close(): void {}
}

const PARTIAL_CONTENT = 206;

/** A file that is written from its start: what `FileSystemFileHandle.createWritable` gives (WHATWG File System Standard). */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Only then has the file what was written. */
  close(): Promise<void>;
}

/** Writes a snapshot to a file, which its owner closes. */
export class FileSink implements SnapshotSink {
  readonly #file: WritableFile;

  constructor(file: WritableFile) {
    this.#file = file;
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#file.write(bytes);
  }
}
