import type { BochsDispi } from './dispi.ts';
import {
  GFX,
  GFX_ODD_EVEN,
  GFX_READ_MODE_1,
  MISC_ENABLE_RAM,
  SEQ,
  SEQ_CHAIN_4,
  SEQ_ODD_EVEN_OFF,
  type VgaRegisters,
} from './registers.ts';
import type { TrackedMemory } from './tracked-memory.ts';

const BYTES_REPEATED = 0x01010101;
const PLANE_BYTES = 0x10000;
const NOTHING = 0xff;

/** For each setting of graphics register 6: where in the window from A0000h memory shows, and how much of it. */
const MEMORY_MAPS = [
  { base: 0x00000, length: 0x20000 },
  { base: 0x00000, length: 0x10000 },
  { base: 0x10000, length: 0x08000 },
  { base: 0x18000, length: 0x08000 },
] as const;

/** For each set of planes: all bits of their bytes. */
const PLANE_BITS = Uint32Array.from({ length: 16 }, (_, planes) =>
  [0, 1, 2, 3].reduce((bits, plane) => bits + ((planes >> plane) & 1) * 0xff * 256 ** plane, 0),
);

/**
 * The memory of a VGA as the processor sees it from A0000h to BFFFFh: four planes behind latches and the graphics
 * controller's write and read modes, chained by fours, by odd and even addresses, or not; with a Bochs mode of eight
 * and more bits on, 64 KiB of the linear memory instead.
 *
 * A byte of all four planes is a 32-bit word of video memory, plane 0 lowest.
 */
export class VgaWindow {
  readonly #registers: VgaRegisters;
  readonly #memory: TrackedMemory;
  readonly #dispi: BochsDispi;
  /** The last word that was read. */
  latch = 0;

  constructor(registers: VgaRegisters, memory: TrackedMemory, dispi: BochsDispi) {
    this.#registers = registers;
    this.#memory = memory;
    this.#dispi = dispi;
  }

  read(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#readByte(offset + i);
    return value;
  }

  write(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (i * 8)) & 0xff);
  }

  /** Where in the planes an offset of the window leads, or -1. */
  #address(offset: number): number {
    const map = MEMORY_MAPS[(this.#registers.graphics[GFX.miscellaneous] >> 2) & 3];
    const address = offset - map.base;
    const decodes = address >= 0 && address < map.length && (this.#registers.misc & MISC_ENABLE_RAM) !== 0;
    return decodes ? address : -1;
  }

  #readByte(offset: number): number {
    if (this.#dispi.hasLinearWindow) return this.#readLinear(offset);
    const address = this.#address(offset);
    if (address < 0) return NOTHING;
    const { sequencer, graphics } = this.#registers;
    const isChain4 = (sequencer[SEQ.memoryMode] & SEQ_CHAIN_4) !== 0;
    const isOddEven = (graphics[GFX.mode] & GFX_ODD_EVEN) !== 0;
    const index = address & (isChain4 ? ~3 : isOddEven ? ~1 : ~0) & (PLANE_BYTES - 1);
    this.latch = this.#memory.words[index];
    if (graphics[GFX.mode] & GFX_READ_MODE_1) return this.#compare();
    const plane = isChain4 ? address & 3 : this.#readPlane(address, isOddEven);
    return (this.latch >>> (plane * 8)) & 0xff;
  }

  #readPlane(address: number, isOddEven: boolean): number {
    const plane = this.#registers.graphics[GFX.readMap];
    return isOddEven ? (plane & 2) | (address & 1) : plane;
  }

  /** A bit for each of eight pixels: whether those of its planes that are cared about have the colour compared with. */
  #compare(): number {
    const { graphics } = this.#registers;
    const wanted = PLANE_BITS[graphics[GFX.colorCompare]];
    const differing = (this.latch ^ wanted) & PLANE_BITS[graphics[GFX.colorDoNotCare]];
    return ~(differing | (differing >>> 8) | (differing >>> 16) | (differing >>> 24)) & 0xff;
  }

  #writeByte(offset: number, value: number): void {
    if (this.#dispi.hasLinearWindow) {
      this.#writeLinear(offset, value);
      return;
    }
    const address = this.#address(offset);
    if (address < 0) return;
    const { sequencer } = this.#registers;
    const memoryMode = sequencer[SEQ.memoryMode];
    let planes = sequencer[SEQ.mapMask];
    let index = address & (PLANE_BYTES - 1);
    if (memoryMode & SEQ_CHAIN_4) {
      planes &= 1 << (address & 3);
      index &= ~3;
    } else if (!(memoryMode & SEQ_ODD_EVEN_OFF)) {
      planes &= 5 << (address & 1);
      index &= ~1;
    }
    const kept = ~PLANE_BITS[planes];
    const { words } = this.#memory;
    words[index] = (words[index] & kept) | (this.#written(value) & ~kept);
    this.#memory.touched(index * 4);
  }

  /** What a write puts into all four planes. */
  #written(value: number): number {
    const { graphics } = this.#registers;
    const setReset = PLANE_BITS[graphics[GFX.setReset]];
    const bitMask = graphics[GFX.bitMask];
    switch (graphics[GFX.mode] & 3) {
      case 0: {
        const enabled = PLANE_BITS[graphics[GFX.enableSetReset]];
        const data = Math.imul(this.#rotated(value), BYTES_REPEATED);
        return this.#combined((data & ~enabled) | (setReset & enabled), bitMask);
      }
      case 1:
        return this.latch;
      case 2:
        return this.#combined(PLANE_BITS[value & 15], bitMask);
      default:
        return this.#combined(setReset, bitMask & this.#rotated(value));
    }
  }

  #rotated(value: number): number {
    const count = this.#registers.graphics[GFX.rotate] & 7;
    return ((value >> count) | (value << (8 - count))) & 0xff;
  }

  /** Applies the logical function with the latch, and keeps the latch's bits where the mask has none. */
  #combined(data: number, bitMask: number): number {
    const mask = Math.imul(bitMask, BYTES_REPEATED);
    return (this.#applied(data) & mask) | (this.latch & ~mask);
  }

  #applied(data: number): number {
    switch ((this.#registers.graphics[GFX.rotate] >> 3) & 3) {
      case 0:
        return data;
      case 1:
        return data & this.latch;
      case 2:
        return data | this.latch;
      default:
        return data ^ this.latch;
    }
  }

  #readLinear(offset: number): number {
    return offset < this.#dispi.windowLength
      ? (this.#memory.bytes[this.#dispi.bankOffset + offset] ?? NOTHING)
      : NOTHING;
  }

  #writeLinear(offset: number, value: number): void {
    const at = this.#dispi.bankOffset + offset;
    if (offset >= this.#dispi.windowLength || at >= this.#memory.bytes.length) return;
    this.#memory.bytes[at] = value;
    this.#memory.touched(at);
  }
}
