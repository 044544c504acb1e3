import { requireVersion } from '../../base/state-version.ts';
import { readGuest, requirePresent, viewForRead, writeGuest } from '../../machine/dma.ts';
import type { DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { Chain, type Segment } from './chain.ts';

/** Descriptor layout and flags (virtio 1.2 section 2.7.5). */
const DESCRIPTOR_BYTES = 16;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
/** Available ring: flags, idx, ring, used_event. Used ring: flags, idx, ring of id and length, avail_event. */
const RING_INDEX = 2;
const RING_ENTRIES = 4;
const USED_ENTRY_BYTES = 8;
const AVAIL_F_NO_INTERRUPT = 1;

/** What a chain may amount to, and the entries of an indirect table that are looked at: more than any driver asks for,
 * and little enough to be gone through quickly. */
const MOST_SEGMENTS = 1024;
const MOST_CHAIN_BYTES = 64 << 20;
/** An address that no RAM is at, for those too large for a number. */
const NOWHERE = 2 ** 52;
const STATE_VERSION = 1;

/** Thrown inside this file when the driver has broken the rules of the ring. */
class BrokenQueue extends Error {}

/** Where the driver has put a queue, as guest-physical addresses. */
export interface QueueAddresses {
  descriptors: number;
  /** The driver area: the available ring. */
  available: number;
  /** The device area: the used ring. */
  used: number;
}

/** Whom a queue tells. */
export interface QueueListener {
  /** The driver wants an interrupt for what was just given back. */
  usedBuffers(): void;
  /** The driver has broken the rules: the device needs a reset. */
  broken(): void;
}

/**
 * The device's side of a split virtqueue (virtio 1.2 section 2.7), with indirect descriptors and event indices.
 *
 * Nothing the driver writes makes it read without end or outside the chain's own memory: chains are bounded, and a queue
 * that breaks the rules stands still until it is reset. A chain that was taken and not given back when the queue was
 * saved is taken again after it is restored.
 */
export class Virtqueue {
  readonly maxSize: number;
  /** Entries; a power of two up to `maxSize`, set by the driver before it enables the queue. */
  size: number;
  readonly addresses: QueueAddresses = { descriptors: 0, available: 0, used: 0 };
  enabled = false;
  /** Whether both sides say by index when they want to be told (VIRTIO_F_EVENT_IDX). */
  eventIndex = false;
  readonly #memory: GuestMemory;
  readonly #listener: QueueListener;
  readonly #bytes = new Uint8Array(USED_ENTRY_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #taken = new Set<Chain>();
  /** Heads that are taken before what is in the ring: given back unused, or taken before a restore. */
  #again: number[] = [];
  #nextAvailable = 0;
  #nextUsed = 0;
  #broken = false;

  /** @param maxSize a power of two up to 1024 */
  constructor(memory: GuestMemory, maxSize: number, listener: QueueListener) {
    this.#memory = memory;
    this.#listener = listener;
    this.maxSize = maxSize;
    this.size = maxSize;
  }

  /** The next buffer the driver has made available. What is done with it cannot meet an absent page.
   * @throws {PageAbsent} a page has to be brought in first; nothing has changed */
  pop(): Chain | undefined {
    if (!this.enabled || this.#broken) return undefined;
    return this.#unlessBroken(() => {
      this.#requireRings();
      const repeated = this.#again[0];
      const head = repeated ?? this.#nextHead();
      if (head === undefined) return undefined;
      if (this.#taken.size >= this.size) throw new BrokenQueue();
      const chain = this.#walk(head);
      chain.requirePresent();
      if (repeated === undefined) this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
      else this.#again.shift();
      this.#taken.add(chain);
      return chain;
    });
  }

  /** Gives a buffer back. Does nothing with a chain of before the last reset.
   * @param written bytes of the writable part that were filled, from its beginning */
  complete(chain: Chain, written: number): void {
    this.completeAll([[chain, written]]);
  }

  /** As {@link complete}, for several at once: the driver sees all or none of them. */
  completeAll(used: readonly (readonly [chain: Chain, written: number])[]): void {
    const live = used.filter(([chain]) => chain.live && this.#taken.delete(chain));
    for (const [chain] of live) chain.retire();
    if (live.length === 0 || this.#broken) return;
    this.#unlessBroken(() => {
      const before = this.#nextUsed;
      for (const [{ head }, written] of live) this.#putUsed(head, written);
      this.#write16(this.addresses.used + RING_INDEX, this.#nextUsed);
      if (this.#wantsInterrupt(before)) this.#listener.usedBuffers();
    });
  }

  /** Undoes the pop of chains, in the order they were taken: they come again with the next. */
  putBack(chains: readonly Chain[]): void {
    const heads = chains.filter((chain) => chain.live && this.#taken.delete(chain)).map(({ head }) => head);
    for (const chain of chains) chain.retire();
    this.#again.unshift(...heads);
  }

  /** Forgets everything the driver has set up; chains still out are dead. */
  reset(): void {
    for (const chain of this.#taken) chain.retire();
    this.#taken.clear();
    this.#again = [];
    this.#nextAvailable = 0;
    this.#nextUsed = 0;
    this.#broken = false;
    this.enabled = false;
    this.eventIndex = false;
    this.size = this.maxSize;
    Object.assign(this.addresses, { descriptors: 0, available: 0, used: 0 });
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      size: this.size,
      addresses: { ...this.addresses },
      enabled: this.enabled,
      eventIndex: this.eventIndex,
      nextAvailable: this.#nextAvailable,
      nextUsed: this.#nextUsed,
      broken: this.#broken,
      taken: [...this.#taken].map(({ head }) => head).concat(this.#again),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Virtqueue', state.version, STATE_VERSION);
    this.reset();
    this.size = Number(state.size);
    Object.assign(this.addresses, state.addresses);
    this.enabled = Boolean(state.enabled);
    this.eventIndex = Boolean(state.eventIndex);
    this.#nextAvailable = Number(state.nextAvailable);
    this.#nextUsed = Number(state.nextUsed);
    this.#broken = Boolean(state.broken);
    this.#again = [...(state.taken as number[])];
  }

  #unlessBroken<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof BrokenQueue)) throw error;
      this.#broken = true;
      this.#listener.broken();
      return undefined;
    }
  }

  /** The rings are written to when a chain is given back, which must not wait. */
  #requireRings(): void {
    const { available, used } = this.addresses;
    requirePresent(this.#memory, available, RING_ENTRIES + this.size * 2 + 2);
    requirePresent(this.#memory, used, RING_ENTRIES + this.size * USED_ENTRY_BYTES + 2);
  }

  #nextHead(): number | undefined {
    const { available } = this.addresses;
    if (this.#waiting() === 0) {
      if (!this.eventIndex) return undefined;
      this.#write16(this.#usedEntry(this.size), this.#nextAvailable); // avail_event: tell of the next
      if (this.#waiting() === 0) return undefined;
    }
    const head = this.#read16(available + RING_ENTRIES + (this.#nextAvailable % this.size) * 2);
    if (head >= this.size) throw new BrokenQueue();
    return head;
  }

  /** How many entries of the available ring are new. */
  #waiting(): number {
    const waiting = (this.#read16(this.addresses.available + RING_INDEX) - this.#nextAvailable) & 0xffff;
    if (waiting > this.size) throw new BrokenQueue();
    return waiting;
  }

  /** Follows the descriptors from `head` (virtio 1.2 sections 2.7.5 to 2.7.5.3). */
  #walk(head: number): Chain {
    const parts: Parts = { readable: [], writable: [], bytes: 0 };
    this.#walkTable(this.addresses.descriptors, this.size, head, parts, true);
    return new Chain(this.#memory, head, parts.readable, parts.writable);
  }

  #walkTable(table: number, entries: number, first: number, parts: Parts, mayBeIndirect: boolean): void {
    const { buffer, byteOffset, byteLength } = viewForRead(this.#memory, table, entries * DESCRIPTOR_BYTES);
    const descriptors = new DataView(buffer, byteOffset, byteLength);
    let index = first;
    for (let steps = 0; ; steps++) {
      if (steps >= entries) throw new BrokenQueue();
      const { gpa, length, flags, next } = descriptorAt(descriptors, index * DESCRIPTOR_BYTES);
      if (flags & DESC_F_INDIRECT) {
        const malformed = length === 0 || length % DESCRIPTOR_BYTES !== 0 || (flags & DESC_F_NEXT) !== 0;
        if (malformed || !mayBeIndirect) throw new BrokenQueue();
        this.#walkTable(gpa, Math.min(length / DESCRIPTOR_BYTES, MOST_SEGMENTS), 0, parts, false);
        return;
      }
      addSegment(parts, { gpa, length }, (flags & DESC_F_WRITE) !== 0);
      if (!(flags & DESC_F_NEXT)) return;
      if (next >= entries) throw new BrokenQueue();
      index = next;
    }
  }

  #putUsed(head: number, written: number): void {
    this.#view.setUint32(0, head, true);
    this.#view.setUint32(4, written, true);
    writeGuest(this.#memory, this.#usedEntry(this.#nextUsed % this.size), this.#bytes);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
  }

  #usedEntry(index: number): number {
    return this.addresses.used + RING_ENTRIES + index * USED_ENTRY_BYTES;
  }

  /** Whether the driver asked to be told of what was given back since `before` (virtio 1.2 section 2.7.7.2). */
  #wantsInterrupt(before: number): boolean {
    const { available } = this.addresses;
    if (!this.eventIndex) return (this.#read16(available) & AVAIL_F_NO_INTERRUPT) === 0;
    const event = this.#read16(available + RING_ENTRIES + this.size * 2);
    return ((this.#nextUsed - event - 1) & 0xffff) < ((this.#nextUsed - before) & 0xffff);
  }

  #read16(gpa: number): number {
    readGuest(this.#memory, gpa, this.#bytes.subarray(0, 2));
    return this.#view.getUint16(0, true);
  }

  #write16(gpa: number, value: number): void {
    this.#view.setUint16(0, value, true);
    writeGuest(this.#memory, gpa, this.#bytes.subarray(0, 2));
  }
}

function descriptorAt(table: DataView, at: number) {
  const high = table.getUint32(at + 4, true);
  return {
    gpa: high < NOWHERE / 2 ** 32 ? high * 2 ** 32 + table.getUint32(at, true) : NOWHERE,
    length: table.getUint32(at + 8, true),
    flags: table.getUint16(at + 12, true),
    next: table.getUint16(at + 14, true),
  };
}

interface Parts {
  readonly readable: Segment[];
  readonly writable: Segment[];
  bytes: number;
}

/** Adds a segment; what the device reads comes before what it writes. */
function addSegment(parts: Parts, segment: Segment, isWritable: boolean): void {
  const { readable, writable } = parts;
  if (!isWritable && writable.length > 0) throw new BrokenQueue();
  if (segment.length > 0) (isWritable ? writable : readable).push(segment);
  parts.bytes += segment.length;
  if (parts.bytes > MOST_CHAIN_BYTES || readable.length + writable.length > MOST_SEGMENTS) throw new BrokenQueue();
}
