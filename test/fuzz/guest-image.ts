/** Guest memory for a hostile case: code, and tables that are mostly right, so that code gets far before it falls. */

import { type Bits, cornerInteger, Random } from '../oracle/initial-state.ts';
import { FAMILIES, hostileInstruction, type Targets } from './instructions.ts';

/** Where things lie, as guest-physical addresses below the VGA window. Linear addresses are mostly the same. */
export const PLACES = {
  vectors: 0,
  idt: 0x1000,
  gdt: 0x2000,
  ldt: 0x3000,
  tss: 0x4000,
  stackTop: 0x8000,
  code: 0x8000,
  codeEnd: 0xa000,
  tables: 0x10000,
  data: 0x20000,
  end: 0x40000,
} as const;

/** Selectors of the descriptors that {@link GuestImage} makes. */
export const SELECTOR = {
  code16: 0x08,
  code32: 0x10,
  code64: 0x18,
  data: 0x20,
  stack16: 0x28,
  userCode32: 0x33,
  userCode64: 0x3b,
  userData: 0x43,
  tss: 0x48,
  otherTss: 0x58,
  ldt: 0x68,
  callGate: 0x78,
  taskGate: 0x88,
} as const;

const FLAT = 0xffffffffn;
const LEVELS = 4;
const PAGE = 4096;
/** Present, writable, user, accessed and dirty. */
const MAPPED = 0x67n;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

const BACKGROUND = background();

function background(): Uint8Array {
  const view = new DataView(new ArrayBuffer(PLACES.end));
  const random = new Random(1);
  for (let at = 0; at < PLACES.end; at += 8) view.setBigUint64(at, cornerInteger(random), true);
  return new Uint8Array(view.buffer);
}

/** A code or data descriptor. @param access byte 5  @param flags upper half of byte 6 */
function descriptor(base: bigint, limit: bigint, access: number, flags: number): bigint {
  const low = (limit & 0xffffn) | ((base & 0xffffffn) << 16n) | (BigInt(access) << 40n);
  return low | (((limit >> 16n) & 0xfn) << 48n) | (BigInt(flags) << 52n) | (((base >> 24n) & 0xffn) << 56n);
}

/** Low half of a gate. */
function gate(selector: number, offset: number, type: number, dpl: number, parameters = 0): bigint {
  const word = BigInt((offset & 0xffff) | (selector << 16)) & 0xffffffffn;
  const access = 0x80 | (dpl << 5) | type;
  return word | (BigInt(parameters) << 32n) | (BigInt(access) << 40n) | (BigInt(offset >>> 16) << 48n);
}

/** What a case's tables are for. */
export interface ImageOptions {
  readonly bits: Bits;
  /** Form of the TSSs: of the 80286, of the 80386, or of IA-32e mode, with which the IDT goes too. */
  readonly tss: 16 | 32 | 64;
  /** `none`, or the form of the page tables. */
  readonly paging: 'none' | 'legacy' | 'pae' | 'long';
  readonly targets: Targets;
}

/** Writes a case's memory. */
export class GuestImage {
  readonly bytes = new Uint8Array(PLACES.end);
  /** Instructions made, by family. */
  readonly families = new Map<string, number>(FAMILIES.map((family) => [family, 0]));
  readonly #view = new DataView(this.bytes.buffer);
  readonly #random: Random;
  readonly #options: ImageOptions;

  constructor(options: ImageOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#fillData();
    this.#fillCode();
    this.#makeVectors();
    this.#makeIdt();
    this.#makeDescriptors(PLACES.gdt);
    this.#makeDescriptors(PLACES.ldt);
    this.#makeTss(PLACES.tss);
    this.#makeTss(PLACES.tss + 0x400);
    this.#makePageTables();
    this.#damage();
  }

  /** CR3 for the options' paging. */
  get cr3(): number {
    return PLACES.tables;
  }

  #codeAddress(): number {
    return PLACES.code + this.#random.below(PLACES.codeEnd - PLACES.code);
  }

  /** Corner integers, in one of many orders. */
  #fillData(): void {
    const start = this.#random.below(BACKGROUND.length / 8) * 8;
    this.bytes.set(BACKGROUND.subarray(start));
    this.bytes.set(BACKGROUND.subarray(0, start), BACKGROUND.length - start);
  }

  #fillCode(): void {
    const random = this.#random;
    const { bits, targets } = this.#options;
    const foreign = [16, 32, 64] as const;
    for (let at: number = PLACES.code; at < PLACES.codeEnd; ) {
      const mode = random.below(16) === 0 ? random.pick(foreign) : bits;
      const { bytes, family } = hostileInstruction(mode, targets, random);
      this.bytes.set(bytes.slice(0, PLACES.codeEnd - at), at);
      this.families.set(family, (this.families.get(family) ?? 0) + 1);
      at += bytes.length;
    }
  }

  /** Real mode's vectors. */
  #makeVectors(): void {
    for (let n = 0; n < 256; n++) this.#view.setUint32(n * 4, this.#codeAddress(), true);
  }

  #makeIdt(): void {
    const random = this.#random;
    const { tss, bits } = this.#options;
    const long = tss === 64;
    for (let n = 0; n < 256; n++) {
      const wide = long ? SELECTOR.code64 : bits === 16 ? SELECTOR.code16 : SELECTOR.code32;
      const selector = random.below(16) === 0 ? random.pick(this.#options.targets.selectors) : wide;
      const type = random.below(16) === 0 ? random.below(32) : random.pick([0xe, 0xe, 0xf, long ? 0xe : 0x6]);
      const low = gate(selector, this.#codeAddress(), type & 0x1f, random.below(2) * 3, long ? random.below(3) : 0);
      this.#view.setBigUint64(PLACES.idt + n * (long ? 16 : 8), low, true);
      if (long) this.#view.setBigUint64(PLACES.idt + n * 16 + 8, 0n, true);
    }
  }

  #makeDescriptors(table: number): void {
    const tssType = this.#options.tss === 16 ? 0x81 : 0x89;
    const put = (selector: number, value: bigint) => this.#view.setBigUint64(table + (selector & ~7), value, true);
    put(0, 0n);
    put(SELECTOR.code16, descriptor(0n, 0xffffn, 0x9b, 0));
    put(SELECTOR.code32, descriptor(0n, FLAT, 0x9b, 0xc));
    put(SELECTOR.code64, descriptor(0n, FLAT, 0x9b, 0xa));
    put(SELECTOR.data, descriptor(0n, FLAT, 0x93, 0xc));
    put(SELECTOR.stack16, descriptor(0n, 0xffffn, 0x93, 0));
    put(SELECTOR.userCode32, descriptor(0n, FLAT, 0xfb, 0xc));
    put(SELECTOR.userCode64, descriptor(0n, FLAT, 0xfb, 0xa));
    put(SELECTOR.userData, descriptor(0n, FLAT, 0xf3, 0xc));
    const system = (selector: number, value: bigint) => {
      put(selector, value);
      put(selector + 8, 0n);
    };
    system(SELECTOR.tss, descriptor(BigInt(PLACES.tss), 0x3ffn, tssType, 0));
    system(SELECTOR.otherTss, descriptor(BigInt(PLACES.tss + 0x400), 0x3ffn, tssType, 0));
    system(SELECTOR.ldt, descriptor(BigInt(PLACES.ldt), 0xfffn, 0x82, 0));
    const callee = this.#options.tss === 64 ? SELECTOR.code64 : SELECTOR.code32;
    system(SELECTOR.callGate, gate(callee, this.#codeAddress(), 0xc, 3, this.#random.below(32)));
    system(SELECTOR.taskGate, gate(SELECTOR.otherTss, 0, 0x5, 3));
  }

  #makeTss(at: number): void {
    if (this.#options.tss === 16) this.#makeTss16(at);
    else if (this.#options.tss === 32) this.#makeTss32(at);
    else this.#makeTss64(at);
  }

  #stackPointer(): number {
    return PLACES.stackTop - this.#random.below(16) * 16;
  }

  #makeTss64(at: number): void {
    for (let offset = 4; offset < 0x5c; offset += 8) {
      this.#view.setBigUint64(at + offset, BigInt(this.#stackPointer()), true);
    }
  }

  #makeTss16(at: number): void {
    const { code16, data, ldt } = SELECTOR;
    const stacks = [0, 1, 2].flatMap(() => [this.#stackPointer(), data]);
    const registers = Array.from({ length: 8 }, () => this.#random.below(0x10000));
    const words = [0, ...stacks, this.#codeAddress(), 0x202, ...registers, data, code16, data, data, ldt];
    for (const [n, word] of words.entries()) this.#view.setUint16(at + n * 2, word, true);
  }

  #makeTss32(at: number): void {
    const random = this.#random;
    const word = (offset: number, value: number) => this.#view.setUint32(at + offset, value, true);
    for (const offset of [4, 12, 20]) word(offset, this.#stackPointer());
    for (const offset of [8, 16, 24]) word(offset, SELECTOR.data);
    word(0x1c, this.cr3);
    word(0x20, this.#codeAddress());
    word(0x24, random.next() & 0x3f7fd5 & ~(random.below(4) === 0 ? 0 : 1 << 17));
    const selectors = [SELECTOR.data, SELECTOR.code32, SELECTOR.data, SELECTOR.data, 0, 0, SELECTOR.ldt];
    for (const [n, selector] of selectors.entries()) word(0x48 + n * 4, selector);
    word(0x64, (random.below(0x500) << 16) | random.below(2));
  }

  /** Tables that map the first mebibytes onto themselves; other entries lead anywhere. */
  #makePageTables(): void {
    if (this.#options.paging === 'legacy') this.#makeNarrowTables();
    else if (this.#options.paging !== 'none') this.#makeWideTables(this.#options.paging === 'pae');
  }

  #makeNarrowTables(): void {
    const random = this.#random;
    const [directory, table] = [PLACES.tables, PLACES.tables + PAGE];
    const set = (at: number, n: number, value: bigint) =>
      this.#view.setUint32(at + n * 4, Number(value & 0xffffffffn), true);
    for (let n = 0; n < 1024; n++) set(table, n, this.#leaf(n));
    for (let n = 0; n < 1024; n++) set(directory, n, this.#link(table));
    set(directory, 0, BigInt(table) | MAPPED);
    if (random.below(4) === 0) set(directory, 0, 0xe7n);
    set(directory, 1023, BigInt(directory) | MAPPED);
  }

  #makeWideTables(pae: boolean): void {
    const random = this.#random;
    const tables = Array.from({ length: LEVELS }, (_, n) => PLACES.tables + n * PAGE);
    const set = (at: number, n: number, value: bigint) => this.#view.setBigUint64(at + n * 8, value & MASK_64, true);
    for (let n = 0; n < 512; n++) set(tables[3], n, this.#leaf(n));
    for (let level = pae ? 1 : 0; level < 3; level++) {
      for (let n = 0; n < 512; n++) set(tables[level], n, this.#link(tables[level + 1]));
      set(tables[level], 0, BigInt(tables[level + 1]) | MAPPED);
      set(tables[level], 511, BigInt(tables[random.below(LEVELS)]) | MAPPED);
    }
    if (random.below(4) === 0) set(tables[2], 0, 0xe7n);
    if (!pae) return;
    for (let n = 0; n < 4; n++) set(tables[0], n, BigInt(tables[2]) | 1n);
  }

  /** An entry for page `n`: mostly itself, with all rights. */
  #leaf(n: number): bigint {
    const random = this.#random;
    const self = BigInt(n * PAGE);
    const kind = random.below(32);
    if (kind === 0) return cornerInteger(random);
    if (kind === 1)
      return (BigInt(random.pick(this.#options.targets.addresses)) & ~0xfffn) | BigInt(random.below(0x200));
    if (kind < 4) return self | BigInt(random.below(0x200));
    if (kind === 4) return self | MAPPED | (1n << 63n);
    if (kind === 5) return self | 1n | BigInt(random.below(8));
    return self | MAPPED;
  }

  #link(next: number): bigint {
    const random = this.#random;
    const kind = random.below(8);
    if (kind === 0) return cornerInteger(random);
    if (kind === 1) return (BigInt(random.pick(this.#options.targets.addresses)) & ~0xfffn) | MAPPED;
    if (kind === 2) return (random.next64() & 0xff_ffe0_0000n) | 0xe7n;
    return kind < 5 ? 0n : BigInt(next) | MAPPED;
  }

  /** Now and then a few bits of tables are wrong. */
  #damage(): void {
    const random = this.#random;
    for (let n = random.below(4) * 8; n > 0; n--) {
      const at = PLACES.idt + random.below(PLACES.stackTop - PLACES.idt);
      this.bytes[at] ^= 1 << random.below(8);
    }
  }
}
