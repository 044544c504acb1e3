import type { BlockRegister, Device } from './interfaces.ts';

/** The widest access a chip takes at once, in bytes; the bus splits wider ones, as an 8-bit ISA card makes a PC do. */
export type BusWidth = 1 | 2 | 4;

/** A chip's place on a bus. */
export interface Mapping {
  readonly base: number;
  readonly length: number;
  readonly device: Pick<Device, 'read' | 'write'> & Partial<BlockRegister>;
  readonly name: string;
  readonly width: BusWidth;
}

/**
 * Carries accesses to chips by address.
 *
 * A chip sees only accesses that are naturally aligned, no wider than its width and inside its range: everything else
 * arrives in pieces, lowest address first. What it answers beyond the width of the access is cut off. Where mappings overlap the one mapped first has the address, and the other
 * shows again when it goes: what a guest does with PCI base addresses cannot hide a fixed chip. An access belongs to
 * the owner of its first byte, so that a dword at 0xCF8 is not cut by the reset register at 0xCF9.
 * Addresses nobody owns read as ones and swallow writes.
 */
export abstract class Bus {
  readonly #spaceLength: number;
  readonly #mappings: Mapping[] = [];

  /** @param spaceLength addresses there are; accesses past the end wrap to the start */
  constructor(spaceLength: number) {
    this.#spaceLength = spaceLength;
  }

  /** The mappings in order of precedence. */
  get mappings(): readonly Mapping[] {
    return this.#mappings;
  }

  /** @throws {RangeError} when the range is empty or not inside the address space */
  map(base: number, length: number, device: Mapping['device'], name: string, width: BusWidth): Mapping {
    const valid = Number.isSafeInteger(base) && Number.isSafeInteger(length) && base >= 0 && length > 0;
    if (!valid || base + length > this.#spaceLength)
      throw new RangeError(`${name}: cannot be mapped at ${base}+${length}`);
    const mapping = { base, length, device, name, width };
    this.#mappings.push(mapping);
    this.changed(mapping);
    return mapping;
  }

  /** Takes a mapping away; does nothing when it is gone already. */
  unmap(mapping: Mapping): void {
    const index = this.#mappings.indexOf(mapping);
    if (index < 0) return;
    this.#mappings.splice(index, 1);
    this.changed(mapping);
  }

  /** @param size 1, 2 or 4  @returns an unsigned value of that size */
  read(address: number, size: number): number {
    const mapping = this.find(address);
    if (mapping && fits(mapping, address, size))
      return truncate(mapping.device.read(address - mapping.base, size), size);
    if (size === 1) return 0xff;
    const half = size >> 1;
    const low = this.read(address, half);
    const high = this.read(this.#wrap(address + half), half);
    return (low | (high << (half * 8))) >>> 0;
  }

  /** @param size 1, 2 or 4  @param value unsigned; bits above the size are ignored */
  write(address: number, size: number, value: number): void {
    const mapping = this.find(address);
    if (mapping && fits(mapping, address, size)) {
      mapping.device.write(address - mapping.base, size, truncate(value, size));
    } else if (size > 1) {
      const half = size >> 1;
      this.write(address, half, value);
      this.write(this.#wrap(address + half), half, value >>> (half * 8));
    }
  }

  /** As {@link BlockRegister.readMany} of the chip at `address`. */
  readMany(address: number, size: number, target: Uint8Array): number {
    const mapping = this.find(address);
    if (!mapping || !fits(mapping, address, size)) return 0;
    return mapping.device.readMany?.(address - mapping.base, size, target) ?? 0;
  }

  /** As {@link BlockRegister.writeMany} of the chip at `address`. */
  writeMany(address: number, size: number, source: Uint8Array): number {
    const mapping = this.find(address);
    if (!mapping || !fits(mapping, address, size)) return 0;
    return mapping.device.writeMany?.(address - mapping.base, size, source) ?? 0;
  }

  /** The owner of an address. */
  protected abstract find(address: number): Mapping | undefined;

  /** Called after `mapping` came or went. */
  protected abstract changed(mapping: Mapping): void;

  #wrap(address: number): number {
    return address < this.#spaceLength ? address : address - this.#spaceLength;
  }
}

/** The bits that an access has room for: a wide register reached by a narrow access shows its low bytes. */
function truncate(value: number, size: number): number {
  return size === 4 ? value >>> 0 : value & (size === 2 ? 0xffff : 0xff);
}

function fits(mapping: Mapping, address: number, size: number): boolean {
  const offset = address - mapping.base;
  return size <= mapping.width && offset % size === 0 && offset + size <= mapping.length;
}

const PORTS = 0x10000;

/** The 65,536 I/O ports, looked up in a table. */
export class PortBus extends Bus {
  readonly #owners = new Array<Mapping | undefined>(PORTS).fill(undefined);

  constructor() {
    super(PORTS);
  }

  protected override find(port: number): Mapping | undefined {
    return this.#owners[port];
  }

  protected override changed({ base, length }: Mapping): void {
    this.#owners.fill(undefined, base, base + length);
    for (const mapping of this.mappings) {
      const end = Math.min(base + length, mapping.base + mapping.length);
      for (let port = Math.max(base, mapping.base); port < end; port++) this.#owners[port] ??= mapping;
    }
  }
}

/** A stretch of addresses with one owner. */
interface Segment {
  readonly base: number;
  readonly end: number;
  readonly owner: Mapping;
}

/** Bytes of physical address space: 52 bits, the most the architecture allows (Intel SDM 3A 4.1.4). */
const PHYSICAL_SPACE = 2 ** 52;

/** Memory-mapped I/O: sorted disjoint segments, searched by halving, the last one found first. */
export class MmioBus extends Bus {
  #segments: Segment[] = [];
  #last: Segment | undefined;

  constructor() {
    super(PHYSICAL_SPACE);
  }

  protected override find(address: number): Mapping | undefined {
    if (!this.#last || address < this.#last.base || address >= this.#last.end) this.#last = this.#search(address);
    return this.#last?.owner;
  }

  protected override changed(): void {
    this.#last = undefined;
    this.#segments = [];
    const edges = this.mappings
      .flatMap((mapping) => [mapping.base, mapping.base + mapping.length])
      .sort((a, b) => a - b);
    for (let i = 0; i + 1 < edges.length; i++) {
      const [base, end] = [edges[i], edges[i + 1]];
      const owner = this.mappings.find((mapping) => mapping.base <= base && end <= mapping.base + mapping.length);
      if (base < end && owner) this.#segments.push({ base, end, owner });
    }
  }

  #search(address: number): Segment | undefined {
    let [low, high] = [0, this.#segments.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (address < this.#segments[middle].end) high = middle;
      else low = middle + 1;
    }
    const segment = this.#segments[low];
    return segment && address >= segment.base ? segment : undefined;
  }
}
