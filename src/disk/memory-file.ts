import { type FileOptions, type ImageFile, ImageInUse, type ImageStore } from './interfaces.ts';

const PAGE_BYTES = 4096;

/** A file's content in memory; pages that were never written take no space. */
export class MemoryContent {
  readonly #pages = new Map<number, Uint8Array>();
  sizeBytes = 0;

  /** @param bytes what is in it at first */
  static of(bytes: Uint8Array): MemoryContent {
    const content = new MemoryContent();
    content.write(0, bytes);
    return content;
  }

  read(offset: number, target: Uint8Array): void {
    target.fill(0);
    const length = Math.min(target.length, Math.max(0, this.sizeBytes - offset));
    for (const piece of pieces(offset, length)) {
      const page = this.#pages.get(piece.page);
      if (page) target.set(page.subarray(piece.start, piece.start + piece.length), piece.at);
    }
  }

  write(offset: number, source: Uint8Array): void {
    for (const piece of pieces(offset, source.length)) {
      const page = this.#pages.get(piece.page) ?? new Uint8Array(PAGE_BYTES);
      this.#pages.set(piece.page, page);
      page.set(source.subarray(piece.at, piece.at + piece.length), piece.start);
    }
    this.sizeBytes = Math.max(this.sizeBytes, offset + source.length);
  }

  truncate(sizeBytes: number): void {
    const kept = Math.floor(sizeBytes / PAGE_BYTES);
    for (const page of this.#pages.keys()) if (page > kept) this.#pages.delete(page);
    this.#pages.get(kept)?.fill(0, sizeBytes % PAGE_BYTES);
    this.sizeBytes = sizeBytes;
  }

  /** A copy of all bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.sizeBytes);
    this.read(0, all);
    return all;
  }
}

function* pieces(offset: number, length: number) {
  for (let at = 0; at < length; ) {
    const start = (offset + at) % PAGE_BYTES;
    const piece = Math.min(PAGE_BYTES - start, length - at);
    yield { page: Math.floor((offset + at) / PAGE_BYTES), start, length: piece, at };
    at += piece;
  }
}

/** Image files in memory, by name. */
export class MemoryStore implements ImageStore {
  readonly contents = new Map<string, MemoryContent>();
  readonly #writers = new Set<string>();

  async open(name: string, { readOnly = false }: FileOptions): Promise<ImageFile> {
    const content = this.contents.get(name);
    if (content === undefined) throw Object.assign(new Error(`${name}: no such file`), { code: 'ENOENT' });
    return this.#use(name, content, readOnly);
  }

  async create(name: string): Promise<ImageFile> {
    const content = new MemoryContent();
    const file = this.#use(name, content, false);
    this.contents.set(name, content);
    return file;
  }

  async temporary(): Promise<ImageFile> {
    return new MemoryFile('temporary file', new MemoryContent(), false, () => {});
  }

  resolve(_image: string, reference: string): string {
    return reference;
  }

  absolute(name: string): string {
    return name;
  }

  #use(name: string, content: MemoryContent, readOnly: boolean): ImageFile {
    if (readOnly) return new MemoryFile(name, content, true, () => {});
    if (this.#writers.has(name)) throw new ImageInUse(name, 'this process');
    this.#writers.add(name);
    return new MemoryFile(name, content, false, () => this.#writers.delete(name));
  }
}

class MemoryFile implements ImageFile {
  readonly name: string;
  readonly readOnly: boolean;
  readonly #content: MemoryContent;
  readonly #closed: () => void;

  constructor(name: string, content: MemoryContent, readOnly: boolean, closed: () => void) {
    this.name = name;
    this.readOnly = readOnly;
    this.#content = content;
    this.#closed = closed;
  }

  get sizeBytes(): number {
    return this.#content.sizeBytes;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#content.read(offset, target);
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    this.#content.write(offset, source);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#content.truncate(sizeBytes);
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed();
  }
}
