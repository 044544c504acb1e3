/** A first-in first-out queue of bytes with a fixed bound. */
export class ByteQueue {
  readonly capacity: number;
  readonly #ring: Uint8Array;
  #head = 0;
  #length = 0;

  /** @param capacity the most bytes it holds, at least 1 */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#ring = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  get space(): number {
    return this.capacity - this.#length;
  }

  /** Appends a byte. @returns false, changing nothing, when the queue is full */
  push(byte: number): boolean {
    if (this.#length === this.capacity) return false;
    this.#ring[(this.#head + this.#length) % this.capacity] = byte;
    this.#length++;
    return true;
  }

  /** Puts a byte before all others. @returns false, changing nothing, when the queue is full */
  unshift(byte: number): boolean {
    if (this.#length === this.capacity) return false;
    this.#head = (this.#head + this.capacity - 1) % this.capacity;
    this.#ring[this.#head] = byte;
    this.#length++;
    return true;
  }

  /** Removes the oldest byte. @returns undefined when the queue is empty */
  shift(): number | undefined {
    if (this.#length === 0) return undefined;
    const byte = this.#ring[this.#head];
    this.#head = (this.#head + 1) % this.capacity;
    this.#length--;
    return byte;
  }

  clear(): void {
    this.#head = 0;
    this.#length = 0;
  }

  /** A copy of the content, oldest byte first. */
  toBytes(): Uint8Array {
    return Uint8Array.from({ length: this.#length }, (_, i) => this.#ring[(this.#head + i) % this.capacity]);
  }

  /** Replaces the content by `bytes`, as many as fit. */
  load(bytes: ArrayLike<number>): void {
    this.clear();
    this.#length = Math.min(bytes.length, this.capacity);
    for (let i = 0; i < this.#length; i++) this.#ring[i] = bytes[i];
  }
}
