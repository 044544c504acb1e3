/** Pieces smaller than this are gathered into blocks. */
const SMALL_BYTES = 4096;
const BLOCK_BYTES = 16384;

interface Chunk {
  bytes: Uint8Array;
  /** The block that `bytes` is the beginning of, where more can be put behind it. */
  readonly block: Uint8Array | undefined;
}

/** Bytes that are kept until the other side has them. Large pieces are kept as they come, without a copy. */
export class SendBuffer {
  readonly #chunks: Chunk[] = [];
  /** Bytes of the first chunk that are gone. */
  #skipped = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Appends bytes, which nobody changes afterwards. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    if (bytes.length >= SMALL_BYTES) this.#chunks.push({ bytes, block: undefined });
    else this.#gather(bytes);
  }

  /** Fills `target` with the bytes that begin at `offset`: there must be as many. */
  copy(offset: number, target: Uint8Array): void {
    let skip = offset + this.#skipped;
    let done = 0;
    for (let index = 0; done < target.length; index++) {
      const { bytes } = this.#chunks[index];
      if (skip < bytes.length) {
        const part = bytes.subarray(skip, skip + target.length - done);
        target.set(part, done);
        done += part.length;
      }
      skip = Math.max(0, skip - bytes.length);
    }
  }

  /** Removes the first `count` bytes. */
  drop(count: number): void {
    this.#length -= count;
    this.#skipped += count;
    let gone = 0;
    while (gone < this.#chunks.length && this.#skipped >= this.#chunks[gone].bytes.length) {
      this.#skipped -= this.#chunks[gone].bytes.length;
      gone++;
    }
    this.#chunks.splice(0, gone);
  }

  #gather(bytes: Uint8Array): void {
    const last = this.#chunks.at(-1);
    if (last?.block && last.bytes.length + bytes.length <= last.block.length) {
      last.block.set(bytes, last.bytes.length);
      last.bytes = last.block.subarray(0, last.bytes.length + bytes.length);
      return;
    }
    const block = new Uint8Array(BLOCK_BYTES);
    block.set(bytes);
    this.#chunks.push({ bytes: block.subarray(0, bytes.length), block });
  }
}
