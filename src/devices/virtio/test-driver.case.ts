import assert from 'node:assert/strict';
import type { PciFunction } from '../../machine/pci.ts';
import { TestSlot } from '../../machine/test-slot.case.ts';
import { VIRTIO_F, type VirtioDevice } from './virtio-device.ts';
import { VirtioPci } from './virtio-pci.ts';

const QUEUE_STRIDE = 0x4000;
const AVAILABLE = 0x2000;
const USED = 0x3000;
const BUFFERS = 0x40000;

/** A buffer of a chain: bytes for the device, or room for so many. */
export type TestBuffer = Uint8Array | number;

/** A chain the device has given back. */
export interface UsedChain {
  readonly head: number;
  readonly length: number;
  /** The content of the buffers it could write, one after the other. */
  readonly written: Uint8Array;
}

/** The driver's side of a virtio device of version 1, as far as tests need it: over real registers and real memory. */
export class TestDriver {
  readonly slot: TestSlot;
  readonly card: PciFunction;
  readonly #modern: number;
  readonly #sizes: number[] = [];
  readonly #next: number[] = [];
  readonly #available: number[] = [];
  readonly #seen: number[] = [];
  readonly #writable = new Map<string, { gpa: number; length: number }[]>();
  #buffer = BUFFERS;

  /** Plugs the device in, or a card that has one; the driver has not touched it yet. */
  constructor(device: VirtioDevice | ((slot: TestSlot) => PciFunction), slot = new TestSlot()) {
    this.slot = slot;
    this.card = typeof device === 'function' ? device(slot) : new VirtioPci(device, slot);
    this.#modern = slot.place(this.card)[4] ?? 0;
  }

  get view(): DataView {
    return new DataView(this.slot.ram.buffer);
  }

  read(offset: number, size: number): number {
    return this.slot.mmio.read(this.#modern + offset, size);
  }

  write(offset: number, size: number, value: number): void {
    this.slot.mmio.write(this.#modern + offset, size, value);
  }

  /** The features that the device offers. */
  get offered(): bigint {
    const word = (index: number) => {
      this.write(0, 4, index);
      return BigInt(this.read(4, 4));
    };
    return word(0) | (word(1) << 32n);
  }

  /** Does what a driver does up to DRIVER_OK. @param features what it accepts besides VIRTIO_F_VERSION_1 */
  start(features = 0n): this {
    const wanted = features | VIRTIO_F.version1;
    this.write(0x14, 1, 0);
    this.write(0x14, 1, 3);
    for (const word of [0, 1]) {
      this.write(0x08, 4, word);
      this.write(0x0c, 4, Number((wanted >> BigInt(word * 32)) & 0xffffffffn));
    }
    this.write(0x14, 1, 11);
    assert.equal(this.read(0x14, 1), 11, 'the device refuses the features');
    for (let queue = 0; queue < this.read(0x12, 2); queue++) this.setUpQueue(queue);
    this.write(0x14, 1, 15);
    return this;
  }

  setUpQueue(queue: number): void {
    this.write(0x16, 2, queue);
    const size = Math.min(this.read(0x18, 2), 64);
    this.write(0x18, 2, size);
    const base = this.queueBase(queue);
    this.slot.ram.fill(0, base, base + QUEUE_STRIDE);
    for (const [register, offset] of [
      [0x20, 0],
      [0x28, AVAILABLE],
      [0x30, USED],
    ]) {
      this.write(register, 4, base + offset);
      this.write(register + 4, 4, 0);
    }
    this.#sizes[queue] = size;
    this.#next[queue] = 0;
    this.#available[queue] = 0;
    this.#seen[queue] = 0;
    this.write(0x1c, 2, 1);
  }

  queueBase(queue: number): number {
    return 0x4000 + queue * QUEUE_STRIDE;
  }

  /** Writes used_event: the entry at which the driver wants to be told. */
  setUsedEvent(queue: number, index: number): void {
    this.view.setUint16(this.queueBase(queue) + AVAILABLE + 4 + this.#sizes[queue] * 2, index, true);
  }

  /** The device's avail_event. */
  availEvent(queue: number): number {
    return this.view.getUint16(this.queueBase(queue) + USED + 4 + this.#sizes[queue] * 8, true);
  }

  /** Makes a chain available without saying so. @returns its head */
  offer(queue: number, buffers: readonly TestBuffer[]): number {
    const base = this.queueBase(queue);
    const [head, size] = [this.#next[queue], this.#sizes[queue]];
    const writable: { gpa: number; length: number }[] = [];
    for (const [index, buffer] of buffers.entries()) {
      const length = typeof buffer === 'number' ? buffer : buffer.length;
      const gpa = this.#allocate(length);
      if (typeof buffer === 'number') writable.push({ gpa, length });
      else this.slot.ram.set(buffer, gpa);
      const flags = (index + 1 < buffers.length ? 1 : 0) | (typeof buffer === 'number' ? 2 : 0);
      this.putDescriptor(base, (head + index) % size, { gpa, length, flags, next: (head + index + 1) % size });
    }
    this.#next[queue] = (head + buffers.length) % size;
    this.#writable.set(`${queue}.${head}`, writable);
    this.putAvailable(queue, head);
    return head;
  }

  putDescriptor(
    table: number,
    index: number,
    { gpa, length, flags, next }: Record<'gpa' | 'length' | 'flags' | 'next', number>,
  ) {
    const at = table + index * 16;
    this.view.setBigUint64(at, BigInt(gpa), true);
    this.view.setUint32(at + 8, length, true);
    this.view.setUint16(at + 12, flags, true);
    this.view.setUint16(at + 14, next, true);
  }

  putAvailable(queue: number, head: number): void {
    const ring = this.queueBase(queue) + AVAILABLE;
    this.view.setUint16(ring + 4 + (this.#available[queue] % this.#sizes[queue]) * 2, head, true);
    this.#available[queue] = (this.#available[queue] + 1) & 0xffff;
    this.view.setUint16(ring + 2, this.#available[queue], true);
  }

  notify(queue: number): void {
    this.write(0x3000 + queue * 4, 4, queue);
  }

  /** Makes a chain available and says so. @returns its head */
  send(queue: number, ...buffers: readonly TestBuffer[]): number {
    const head = this.offer(queue, buffers);
    this.notify(queue);
    return head;
  }

  /** What the device has given back since the last time. */
  used(queue: number): UsedChain[] {
    const ring = this.queueBase(queue) + USED;
    const chains: UsedChain[] = [];
    for (; this.#seen[queue] !== this.view.getUint16(ring + 2, true); this.#seen[queue]++) {
      const entry = ring + 4 + (this.#seen[queue] % this.#sizes[queue]) * 8;
      const [head, length] = [this.view.getUint32(entry, true), this.view.getUint32(entry + 4, true)];
      const pieces = this.#writable.get(`${queue}.${head}`) ?? [];
      const written = pieces.flatMap((piece) => [...this.slot.ram.subarray(piece.gpa, piece.gpa + piece.length)]);
      chains.push({ head, length, written: Uint8Array.from(written) });
    }
    return chains;
  }

  /** Sends a chain to a device that answers at once. @returns what was written */
  ask(queue: number, ...buffers: readonly TestBuffer[]): Uint8Array {
    this.send(queue, ...buffers);
    const [answer] = this.used(queue);
    assert.ok(answer, 'the device gave nothing back');
    return answer.written;
  }

  #allocate(length: number): number {
    if (this.#buffer + length > this.slot.ram.length) this.#buffer = BUFFERS;
    const gpa = this.#buffer;
    this.#buffer += Math.ceil(length / 16) * 16;
    return gpa;
  }
}
