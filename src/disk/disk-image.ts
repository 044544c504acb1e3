import { type Disk, type ImageDriver, RequestRefused } from './interfaces.ts';
import { RequestOrder } from './request-order.ts';

const SECTOR_BYTES = 512;

/** A disk in an image: takes requests in any number, checks them and gives them to the format in a legal order. */
export class DiskImage implements Disk {
  readonly driver: ImageDriver;
  readonly #order: RequestOrder;
  #closed = false;

  constructor(driver: ImageDriver) {
    this.driver = driver;
    this.#order = new RequestOrder(driver.clusterBytes);
  }

  /** Whole sectors: a file that ends inside one is continued by zeros. */
  get sizeBytes(): number {
    return Math.ceil(this.driver.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
  }

  get readOnly(): boolean {
    return this.driver.readOnly;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#check(offset, target.length);
    await this.#order.run(offset, offset + target.length, false, () => this.driver.read(offset, target));
  }

  readNow(offset: number, targets: readonly Uint8Array[]): boolean {
    const length = targets.reduce((sum, target) => sum + target.length, 0);
    this.#check(offset, length);
    return this.#order.isFree(offset, offset + length) && (this.driver.readNow?.(offset, targets) ?? false);
  }

  write(offset: number, source: Uint8Array): Promise<void> {
    return this.#change(offset, source.length, () => this.driver.write(offset, source));
  }

  writeZeros(offset: number, length: number): Promise<void> {
    return this.#change(offset, length, () => this.driver.writeZeros(offset, length));
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#change(offset, length, () => this.driver.discard(offset, length));
  }

  async flush(): Promise<void> {
    this.#checkOpen();
    if (this.readOnly) return;
    await this.#order.exclusiveDone();
    await this.driver.flush();
  }

  /** Changes the size of the disk; new space reads as zeros.
   * @throws {RequestRefused} the format's sizes are fixed */
  async resize(sizeBytes: number): Promise<void> {
    this.#checkWritable();
    const { driver } = this;
    if (driver.resize === undefined) throw new RequestRefused(`images of format ${driver.format} cannot be resized`);
    await this.#order.run(0, Number.POSITIVE_INFINITY, true, async () => driver.resize?.(sizeBytes));
  }

  /** Waits for requests under way, makes everything durable and gives up the file. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#order.run(0, Number.POSITIVE_INFINITY, true, () => this.driver.close());
  }

  async #change(offset: number, length: number, work: () => Promise<void>): Promise<void> {
    this.#checkWritable();
    this.#check(offset, length);
    await this.#order.run(offset, offset + length, true, work);
  }

  #check(offset: number, length: number): void {
    this.#checkOpen();
    const whole = offset % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0;
    const inside = offset >= 0 && length >= 0 && offset + length <= this.sizeBytes;
    if (!(whole && inside)) {
      throw new RequestRefused(`${length} bytes at ${offset} are no sectors of a disk of ${this.sizeBytes} bytes`);
    }
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.readOnly) throw new RequestRefused('the disk is read-only');
  }

  #checkOpen(): void {
    if (this.#closed) throw new RequestRefused('the disk is closed');
  }
}
