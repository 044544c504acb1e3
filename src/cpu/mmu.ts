import type { Builder, GuestAccess } from '../ir/builder.ts';
import { declareHostFunction, defineHelper } from '../ir/define.ts';
import type { Variable } from '../ir/nodes.ts';
import type { Val } from '../ir/val.ts';
import type { Field } from '../isa/layout.ts';
import { raiseIn } from '../isa/memory.ts';
import { CR0, CR4, EFER, FLAG, PENDING, SEG, STATE, VECTOR_OF } from '../isa/registers.ts';
import { PAGE_ABSENT, PAGE_DEVICE, PAGE_READ_ONLY } from '../machine/guest-memory.ts';
import { ACCESS, CONTEXT, TLB, TLB_BYTES, TLB_EMPTY_BYTE, TLB_FLAG } from './tlb.ts';

/** Device memory: the bus is asked. Arguments: guest-physical address, bytes (and value). */
const mmioRead = declareHostFunction('mmioRead', { params: ['i64', 'i32'], result: 'i64' });
const mmioWrite = declareHostFunction('mmioWrite', { params: ['i64', 'i32', 'i64'] });
/** Tells that guest code is about to write `bytes` to a page that has flags. */
const pageWritten = declareHostFunction('pageWritten', { params: ['i64', 'i32'] });

const get = (b: Builder, field: Field) => b.load(field.type, field.bytes, b.cpu, field.offset);
const put = (b: Builder, field: Field, value: Val) => b.store(field.bytes, b.cpu, field.offset, value);

const PAGE_MASK = ~0xfffn;
const FOUR_GIB = 1n << 32n;
/** Physical-address bits that page-table entries may have set: 40 bits, as CPUID leaf 80000008h says. */
const ADDRESS_MASK = 0xff_ffff_f000n;
/** Bits 51–40 of a page-table entry are reserved on this processor. */
const RESERVED_HIGH = 0x000f_ff00_0000_0000n;
const NX = 1n << 63n;
const NO_RAM = -1n;

/** Host address of guest-physical `gpa`, or -1 where there is no RAM. */
const hostAddress = defineHelper('hostAddress', { params: ['i64'], result: 'i64' }, (b, gpa) => {
  b.if(gpa.ltU(get(b, STATE.ramLowEnd)), () => b.return(gpa.add(get(b, STATE.ramLow))));
  b.if(gpa.geU(FOUR_GIB).and(gpa.ltU(get(b, STATE.ramHighEnd))), () => b.return(gpa.add(get(b, STATE.ramHigh))));
  return b.i64(NO_RAM);
});

/** Flags of the page at `gpa`; PAGE_DEVICE outside RAM. */
const flagsOf = defineHelper('pageFlagsOf', { params: ['i64'], result: 'i32' }, (b, gpa) => {
  const page = gpa.shrU(12);
  b.if(page.geU(get(b, STATE.pageCount).extU()), () => b.return(PAGE_DEVICE));
  return b.load('i32', 1, get(b, STATE.pageFlags).add(page.wrap()));
});

/** Leaves a page-in pending. */
function absent(b: Builder, gpa: Val): void {
  put(b, STATE.faultAddress, gpa);
  put(b, STATE.pending, b.i32(PENDING.pageIn));
  b.return();
}

/** Loads `bytes` (1, 2, 4 or 8; not crossing a page) at a guest-physical address, wherever it leads. */
export const physicalLoad = defineHelper(
  'physicalLoad',
  { params: ['i64', 'i32'], result: 'i64', mayFault: true },
  (b, gpa, bytes) => {
    const flags = b.call(flagsOf, gpa);
    b.if(flags.and(PAGE_ABSENT), () => absent(b, gpa));
    b.if(flags.and(PAGE_DEVICE), () => b.return(b.call(mmioRead, gpa, bytes)));
    const host = b.call(hostAddress, gpa);
    b.if(bytes.eq(1), () => b.return(b.load('i64', 1, host)));
    b.if(bytes.eq(2), () => b.return(b.load('i64', 2, host)));
    b.if(bytes.eq(4), () => b.return(b.load('i64', 4, host)));
    return b.load('i64', 8, host);
  },
);

/** Stores to a guest-physical address, wherever it leads. */
export const physicalStore = defineHelper(
  'physicalStore',
  { params: ['i64', 'i32', 'i64'], mayFault: true },
  (b, gpa, bytes, value) => {
    const flags = b.call(flagsOf, gpa);
    b.if(flags.and(PAGE_ABSENT), () => absent(b, gpa));
    b.if(flags.and(PAGE_DEVICE | PAGE_READ_ONLY), () => {
      b.call(mmioWrite, gpa, bytes, value);
      b.return();
    });
    b.if(flags, () => b.call(pageWritten, gpa, bytes));
    const host = b.call(hostAddress, gpa);
    b.if(bytes.eq(1), () => {
      b.store(1, host, 0, value);
      b.return();
    });
    b.if(bytes.eq(2), () => {
      b.store(2, host, 0, value);
      b.return();
    });
    b.if(bytes.eq(4), () => {
      b.store(4, host, 0, value);
      b.return();
    });
    b.store(8, host, 0, value);
  },
);

/** Raises #PF for `address` (SDM 3A, 4.7). `cause` has bit 0 (present) and bit 3 (reserved bit) of the error code. */
const pageFault = defineHelper(
  'pageFault',
  { params: ['i64', 'i32', 'i32'], mayFault: true },
  (b, address, access, cause) => {
    put(b, STATE.faultAddress, address);
    const write = access.and(ACCESS.write).shl(1);
    const user = get(b, STATE.cpl).eq(3).and(access.and(ACCESS.system).eqz()).shl(2);
    const nxOrSmep = get(b, STATE.efer).and(EFER.NXE).ne(0).or(get(b, STATE.cr4).and(CR4.SMEP).ne(0));
    const fetch = access.shrU(1).and(1).and(nxOrSmep).shl(4);
    raiseIn(b, VECTOR_OF.PF, cause.or(write).or(user).or(fetch));
  },
);

/** How the tables of the current paging mode are walked. */
interface Walk {
  readonly address: Val;
  readonly access: Val;
  /** 1 with 8-byte entries (PAE and long mode). */
  readonly wide: Val;
  /** Bits of index a level: 9 or 10. */
  readonly indexBits: Val;
  readonly level: Variable;
  readonly table: Variable;
  readonly entry: Variable;
  /** And of all entries' bits (R/W and U/S), or of all entries' NX in bit 63. */
  readonly allowed: Variable;
  readonly noExecute: Variable;
  /** Set while a second pass sets accessed and dirty bits. */
  readonly marking: Variable;
  readonly needsMarking: Variable;
}

/** Bits of linear address below what level `level` selects. */
function pageShift(b: Builder, w: Walk): Val {
  return b.get(w.level).sub(1).mul(w.indexBits).add(12);
}

function loadEntry(b: Builder, w: Walk): Val {
  const index = w.address.shrU(pageShift(b, w).extU()).and(b.i64(1).shl(w.indexBits.extU()).sub(1));
  const bytes = w.wide.shl(2).add(4);
  const gpa = b.get(w.table).add(index.mul(bytes.extU())).and(get(b, STATE.a20Mask));
  const entry = b.call(physicalLoad, gpa, bytes);
  b.set(w.entry, entry);
  b.if(b.get(w.marking), () => {
    const dirty = b.i64(0x60).selectIf(isLeaf(b, w, entry).and(w.access.and(ACCESS.write)).nez(), 0x20n);
    b.if(entry.and(dirty).ne(dirty), () => void b.call(physicalStore, gpa, bytes, entry.or(dirty)));
  });
  return entry;
}

/** Whether the entry maps a page: level 1, or PS set where the mode has large pages. */
function isLeaf(b: Builder, w: Walk, entry: Val): Val {
  const largeAllowed = w.wide.or(get(b, STATE.cr4).and(CR4.PSE).ne(0));
  const large = entry.shrU(7).wrap().and(largeAllowed).and(b.get(w.level).leU(3));
  return b.get(w.level).eq(1).or(large.and(1));
}

/** Reserved bits of an entry, i32 (SDM 3A, tables 4-3 to 4-20). */
function hasReservedBits(b: Builder, w: Walk, entry: Val, leaf: Val): Val {
  const noNx = get(b, STATE.efer).and(EFER.NXE).eqz();
  const level = b.get(w.level);
  const high = entry.and(RESERVED_HIGH).ne(0).or(entry.shrU(63).wrap().and(noNx));
  const large = leaf.and(level.gtU(1));
  const largeMask = b.i64(1).shl(pageShift(b, w).extU()).sub(0x2000n);
  const wideReserved = high.or(large.and(entry.and(largeMask).ne(0))).or(level.eq(4).and(entry.shrU(7).wrap()).and(1));
  const narrowReserved = large.and(entry.shrU(21).wrap()).and(1);
  return wideReserved.selectIf(w.wide, narrowReserved);
}

/** Guest-physical page of a leaf entry for the walk's address, without the offset in a 4 KiB page. */
function leafPage(b: Builder, w: Walk, entry: Val): Val {
  const shift = pageShift(b, w).extU();
  const offsetMask = b.i64(1).shl(shift).sub(1);
  const pse36 = entry.and(0x1f_e000n).shl(19);
  const narrowLarge = b.get(w.level).gtU(1).and(w.wide.eqz());
  const base = entry.and(ADDRESS_MASK).and(offsetMask.not());
  const full = base.or(pse36).selectIf(narrowLarge, base);
  return full.or(w.address.and(offsetMask)).and(PAGE_MASK);
}

/** Whether the access is allowed by the rights gathered from all levels (SDM 3A, 4.6.1), i32. */
function isAllowed(b: Builder, w: Walk): Val {
  const rights = b.get(w.allowed).wrap();
  const writable = rights.shrU(1).and(1);
  const userPage = rights.shrU(2).and(1);
  const system = w.access.and(ACCESS.system).ne(0);
  const user = get(b, STATE.cpl).eq(3).and(system.eqz());
  const write = w.access.and(ACCESS.write);
  const execute = w.access.shrU(1).and(1);
  const cr4 = get(b, STATE.cr4).wrap();
  const wp = get(b, STATE.cr0).wrap().shrU(16).and(1);
  const bit = (mask: number) => cr4.and(mask).ne(0);
  const ac = get(b, STATE.eflags).and(FLAG.AC).ne(0).and(system.eqz());
  const writeDenied = write.and(writable.eqz()).and(user.or(wp));
  const executeDenied = execute.and(b.get(w.noExecute).shrU(63).wrap());
  const smep = execute.and(bit(CR4.SMEP)).and(userPage);
  const smap = execute.eqz().and(bit(CR4.SMAP)).and(userPage).and(ac.eqz());
  const supervisorDenied = smep.or(smap);
  return writeDenied.or(executeDenied).or(userPage.eqz().selectIf(user, supervisorDenied)).eqz();
}

function startWalk(b: Builder, address: Val, access: Val): Walk {
  const long = get(b, STATE.efer).and(EFER.LMA).ne(0);
  const wide = get(b, STATE.cr4).and(CR4.PAE).ne(0);
  const mask = b.i64(ADDRESS_MASK).selectIf(long, 0xffff_f000n);
  const walk: Walk = {
    address,
    access,
    wide,
    indexBits: b.i32(10).sub(wide),
    level: b.variable('i32', b.i32(4).selectIf(long, 2), 'level'),
    table: b.variable('i64', get(b, STATE.cr3).and(mask), 'table'),
    entry: b.variable('i64', 0, 'entry'),
    allowed: b.variable('i64', -1, 'allowed'),
    noExecute: b.variable('i64', 0, 'noExecute'),
    marking: b.variable('i32', 0, 'marking'),
    needsMarking: b.variable('i32', 0, 'needsMarking'),
  };
  b.if(wide.and(long.eqz()), () => {
    const pointer = address.shrU(30).and(3).wrap().shl(3);
    const pdpte = b.load('i64', 8, b.cpu.add(pointer), STATE.pdpte0.offset);
    b.if(pdpte.and(1).eqz(), () => void b.call(pageFault, address, access, 0));
    b.set(walk.table, pdpte.and(ADDRESS_MASK));
  });
  return walk;
}

/** Follows the tables to a leaf entry, raising #PF where an entry is missing or malformed. */
function followTables(b: Builder, w: Walk): void {
  b.loop((again) => {
    const entry = loadEntry(b, w);
    b.if(entry.and(1).eqz(), () => void b.call(pageFault, w.address, w.access, 0));
    const leaf = isLeaf(b, w, entry);
    b.if(hasReservedBits(b, w, entry, leaf), () => void b.call(pageFault, w.address, w.access, 9));
    b.set(w.allowed, b.get(w.allowed).and(entry));
    b.set(w.noExecute, b.get(w.noExecute).or(entry.and(b.i64(NX).selectIf(w.wide, 0))));
    b.if(entry.and(0x20n).eqz(), () => b.set(w.needsMarking, 1));
    b.if(leaf, () => b.break(again));
    b.set(w.table, entry.and(ADDRESS_MASK));
    b.set(w.level, b.get(w.level).sub(1));
    b.continue(again);
  });
}

/**
 * Translates a linear address. Result: guest-physical address of the 4 KiB page, with bit 0 when the entry is dirty and
 * allows writing, bit 1 when it is global, bit 2 when it may be executed, bit 3 when the page is a large one. Raises #PF, or #GP for a non-canonical address.
 */
const walkTables = defineHelper(
  'walkTables',
  { params: ['i64', 'i32'], result: 'i64', mayFault: true },
  (b, address, access) => {
    const w = startWalk(b, address, access);
    const [level, table] = [b.get(w.level), b.get(w.table)];
    followTables(b, w);
    b.if(isAllowed(b, w).eqz(), () => void b.call(pageFault, address, access, 1));
    const dirtyNeeded = access.and(ACCESS.write).and(b.get(w.entry).shrU(6).wrap().not());
    b.if(b.get(w.needsMarking).or(dirtyNeeded.and(1)), () => {
      b.set(w.level, level);
      b.set(w.table, table);
      b.set(w.marking, 1);
      followTables(b, w);
    });
    const entry = b.get(w.entry);
    const userOrWp = get(b, STATE.cpl).eq(3).or(get(b, STATE.cr0).wrap().shrU(16).and(1));
    const writable = b.get(w.allowed).shrU(1).wrap().and(1).or(userOrWp.eqz());
    const dirty = entry.shrU(6).wrap().or(access.and(ACCESS.write)).and(1);
    const global = entry.shrU(8).wrap().and(get(b, STATE.cr4).wrap().shrU(7)).and(1);
    const executable = b.get(w.noExecute).shrU(63).wrap().xor(1);
    const large = b.get(w.level).gtU(1);
    const bits = writable.and(dirty).or(global.shl(1)).or(executable.shl(2)).or(large.shl(3));
    return leafPage(b, w, entry).and(get(b, STATE.a20Mask)).or(bits.extU());
  },
);

/** As {@link walkTables}, whether paging is on or not. */
const translateAny = defineHelper(
  'translateAny',
  { params: ['i64', 'i32'], result: 'i64', mayFault: true },
  (b, address, access) => {
    b.if(get(b, STATE.cr0).and(CR0.PG).eqz(), () => {
      b.return(address.and(0xffff_f000n).and(get(b, STATE.a20Mask)).or(5));
    });
    b.if(get(b, STATE.efer).and(EFER.LMA).ne(0), () => {
      const sign = address.shl(16).shrS(16);
      b.if(sign.ne(address), () => raiseIn(b, VECTOR_OF.GP, 0));
    });
    return b.call(walkTables, address, access);
  },
);

/** Enters a translation into the current context's TLB, as far as the page's flags let guest code at it directly. */
const fillTlb = defineHelper('fillTlb', { params: ['i64', 'i64', 'i32'] }, (b, address, translation, access) => {
  const tlb = get(b, STATE.tlb);
  const gpa = translation.and(PAGE_MASK);
  const slow = tlb.eq(get(b, STATE.tlbArea).add(CONTEXT.slow * TLB_BYTES));
  const flags = b.call(flagsOf, gpa);
  b.if(slow.or(flags.and(PAGE_DEVICE | PAGE_ABSENT)), () => b.return());
  const page = address.and(PAGE_MASK);
  b.if(translation.wrap().and(8), () => {
    b.if(page.ltU(get(b, STATE.largeLow)), () => put(b, STATE.largeLow, page));
    b.if(page.gtU(get(b, STATE.largeHigh)), () => put(b, STATE.largeHigh, page));
  });
  const entry = tlb.add(
    address
      .shrU(12)
      .wrap()
      .and(TLB.entries - 1)
      .mul(TLB.bytes),
  );
  const bits = translation.wrap();
  const fetchOnly = access.and(ACCESS.execute).ne(0);
  const readTag = b.load('i64', 8, entry, TLB.readTag);
  const writeTag = b.load('i64', 8, entry, TLB.writeTag);
  const number = gpa.shrU(12).wrap();
  const samePage = b.load('i32', 4, entry, TLB.page).eq(number);
  const kept = samePage.and(readTag.and(~1n).eq(page));
  const executable = b.load('i32', 4, entry, TLB.flags).and(kept.shl(1)).or(fetchOnly.shl(1));
  const readable = fetchOnly.eqz().or(kept.and(readTag.eq(page)));
  const writable = kept.and(writeTag.eq(page)).or(fetchOnly.eqz().and(bits)).and(flags.eqz());
  b.store(8, entry, TLB.addend, b.call(hostAddress, gpa).sub(page));
  b.store(4, entry, TLB.page, number);
  b.store(8, entry, TLB.readTag, page.selectIf(readable, page.or(1)));
  b.store(8, entry, TLB.writeTag, page.selectIf(writable.and(1), b.i64(1)));
  b.store(4, entry, TLB.flags, bits.shrU(1).and(TLB_FLAG.global).or(executable));
});

/**
 * Translates for one access and remembers it. The result is the guest-physical address of the byte.
 * @param access bits of {@link ACCESS}
 */
export const translate = defineHelper(
  'translate',
  { params: ['i64', 'i32'], result: 'i64', mayFault: true },
  (b, address, access) => {
    const translation = b.call(translateAny, address, access);
    b.if(access.and(ACCESS.system).eqz(), () => void b.call(fillTlb, address, translation, access));
    return translation.and(PAGE_MASK).or(address.and(0xfffn));
  },
);

/** The slow path's first step: alignment check, and #SS in place of #GP for a non-canonical stack address. */
const translateData = defineHelper(
  'translateData',
  { params: ['i64', 'i32', 'i32', 'i32'], result: 'i64', mayFault: true },
  (b, address, access, bytes, segment) => {
    b.if(get(b, STATE.efer).and(EFER.LMA).ne(0), () => {
      const canonical = address.shl(16).shrS(16).eq(address);
      b.if(canonical.or(segment.ne(SEG.SS)).eqz(), () => raiseIn(b, VECTOR_OF.SS, 0));
    });
    const checked = get(b, STATE.tlb).eq(get(b, STATE.tlbArea).add(CONTEXT.slow * TLB_BYTES));
    const misaligned = address.wrap().and(bytes.sub(1)).ne(0);
    b.if(checked.and(misaligned).and(access.and(ACCESS.system).eqz()), () => raiseIn(b, VECTOR_OF.AC, 0));
    return b.call(translate, address, access);
  },
);

/** The linear address `n` bytes on; outside 64-bit mode addresses wrap at 4 GiB. */
function following(b: Builder, address: Val, n: Val): Val {
  const next = address.add(n);
  return next.selectIf(get(b, STATE.efer).and(EFER.LMA).ne(0), next.and(0xffff_ffffn));
}

/** Any load of 1, 2, 4 or 8 bytes: device memory, page crossings, TLB misses. */
export const slowLoad = defineHelper(
  'slowLoad',
  { params: ['i64', 'i32', 'i32', 'i32'], result: 'i64', mayFault: true },
  (b, address, bytes, access, segment) => {
    const first = b.call(translateData, address, access, bytes, segment);
    const inPage = b.i32(4096).sub(address.wrap().and(0xfff));
    b.if(bytes.leU(inPage), () => b.return(b.call(physicalLoad, first, bytes)));
    const second = b.call(translate, following(b, address, inPage.extU()), access);
    const value = b.variable('i64', 0, 'value');
    const i = b.variable('i32', 0, 'i');
    b.loop((again) => {
      const at = b.get(i);
      const gpa = first.add(at.extU()).selectIf(at.ltU(inPage), second.add(at.sub(inPage).extU()));
      const byte = b.call(physicalLoad, gpa, 1);
      b.set(value, b.get(value).or(byte.shl(at.shl(3).extU())));
      b.set(i, at.add(1));
      b.if(at.add(1).ltU(bytes), () => b.continue(again));
    });
    return b.get(value);
  },
);

/** Any store of 1, 2, 4 or 8 bytes. Both pages of a crossing are translated before anything is written. */
export const slowStore = defineHelper(
  'slowStore',
  { params: ['i64', 'i32', 'i32', 'i32', 'i64'], mayFault: true },
  (b, address, bytes, access, segment, value) => {
    const first = b.call(translateData, address, access, bytes, segment);
    const inPage = b.i32(4096).sub(address.wrap().and(0xfff));
    b.if(bytes.leU(inPage), () => {
      b.call(physicalStore, first, bytes, value);
      b.return();
    });
    const second = b.call(translate, following(b, address, inPage.extU()), access);
    b.if(b.call(flagsOf, second).and(PAGE_ABSENT), () => absent(b, second));
    const i = b.variable('i32', 0, 'i');
    b.loop((again) => {
      const at = b.get(i);
      const gpa = first.add(at.extU()).selectIf(at.ltU(inPage), second.add(at.sub(inPage).extU()));
      b.call(physicalStore, gpa, 1, value.shrU(at.shl(3).extU()));
      b.set(i, at.add(1));
      b.if(at.add(1).ltU(bytes), () => b.continue(again));
    });
  },
);

/** Checks that `bytes` at `address` can be stored: faults exactly as the store would. */
export const probeStore = defineHelper(
  'probeStore',
  { params: ['i64', 'i32', 'i32', 'i32'], mayFault: true },
  (b, address, bytes, access, segment) => {
    const first = b.call(translateData, address, access, 1, segment);
    b.if(b.call(flagsOf, first).and(PAGE_ABSENT), () => absent(b, first));
    const last = following(b, address, bytes.sub(1).extU());
    b.if(last.xor(address).and(PAGE_MASK).ne(0), () => {
      const second = b.call(translate, last, access);
      b.if(b.call(flagsOf, second).and(PAGE_ABSENT), () => absent(b, second));
    });
  },
);

/** Empties all TLBs, or keeps global entries. */
export const flushTlbs = defineHelper('flushTlbs', { params: ['i32'] }, (b, keepGlobal) => {
  const start = get(b, STATE.tlbArea);
  b.if(keepGlobal.eqz(), () => {
    b.memoryFill(start, b.i32(TLB_EMPTY_BYTE), b.i32(CONTEXT.slow * TLB_BYTES));
    put(b, STATE.largeLow, b.i64(-1));
    put(b, STATE.largeHigh, b.i64(0));
    b.return();
  });
  forEachEntry(b, start, (entry) => {
    b.if(b.load('i32', 4, entry, TLB.flags).and(TLB_FLAG.global).eqz(), () => invalidate(b, entry));
  });
});

/** Drops what the TLBs know of the page at `address`, whatever its size: of large pages they do not know how far they reach. */
export const flushPage = defineHelper('flushPage', { params: ['i64'] }, (b, address) => {
  const page = address.and(PAGE_MASK);
  b.if(page.geU(get(b, STATE.largeLow)).and(page.leU(get(b, STATE.largeHigh))), () => {
    b.call(flushTlbs, 0);
    b.return();
  });
  const index = address
    .shrU(12)
    .wrap()
    .and(TLB.entries - 1)
    .mul(TLB.bytes);
  const entry = b.variable('i32', get(b, STATE.tlbArea).add(index), 'entry');
  const n = b.variable('i32', CONTEXT.slow, 'n');
  b.loop((again) => {
    invalidate(b, b.get(entry));
    b.set(entry, b.get(entry).add(TLB_BYTES));
    b.set(n, b.get(n).sub(1));
    b.if(b.get(n), () => b.continue(again));
  });
});

/** Makes guest code take the slow path when it next writes to guest-physical page number `page`. */
export const watchPage = defineHelper('watchPage', { params: ['i32'] }, (b, page) => {
  forEachEntry(b, get(b, STATE.tlbArea), (entry) => {
    b.if(b.load('i32', 4, entry, TLB.page).eq(page), () => b.store(8, entry, TLB.writeTag, b.i64(1)));
  });
});

function invalidate(b: Builder, entry: Val): void {
  b.store(8, entry, TLB.readTag, b.i64(1));
  b.store(8, entry, TLB.writeTag, b.i64(1));
  b.store(4, entry, TLB.flags, b.i32(0));
}

function forEachEntry(b: Builder, start: Val, visit: (entry: Val) => void): void {
  const entry = b.variable('i32', start, 'entry');
  const end = start.add(CONTEXT.slow * TLB_BYTES);
  b.loop((again) => {
    visit(b.get(entry));
    b.set(entry, b.get(entry).add(TLB.bytes));
    b.if(b.get(entry).ltU(end), () => b.continue(again));
  });
}

/** Host address, i64, where the TLB lets `bytes` at `address` be reached directly, else 0 in `hit`. */
function lookUp(b: Builder, address: Val, bytes: number, tag: number): { hit: Val; host: Val } {
  const page = address
    .shrU(12)
    .wrap()
    .and(TLB.entries - 1)
    .mul(TLB.bytes);
  const entry = get(b, STATE.tlb).add(page);
  const last = bytes === 1 ? address : address.add(bytes - 1);
  const hit = b.load('i64', 8, entry, tag).eq(last.and(PAGE_MASK));
  return { hit, host: address.add(b.load('i64', 8, entry, TLB.addend)) };
}

/**
 * Guest accesses as the engines make them: a TLB look-up in line, the slow path by call.
 * @param mark makes the current instruction known before the slow path, which may fault
 */
export function inlineTlb(mark: (b: Builder) => void): GuestAccess {
  return {
    load(b, type, access, forWrite, address, segment) {
      const { hit, host } = lookUp(b, address, access.bytes, forWrite ? TLB.writeTag : TLB.readTag);
      const bits = b.i32(forWrite ? ACCESS.write : 0);
      return b.choose(
        type,
        hit,
        () => b.load(type, access.bytes, host),
        () => {
          mark(b);
          const part = (offset: number, bytes: number) =>
            b.call(slowLoad, offset === 0 ? address : following(b, address, b.i64(offset)), bytes, bits, segment);
          if (access.bytes === 16) {
            const low = b.op('i64x2.splat', part(0, 8));
            return b.opWithImmediate('i64x2.replace_lane', 1n, low, part(8, 8));
          }
          return type === 'i64' ? part(0, access.bytes) : part(0, access.bytes).wrap();
        },
      );
    },
    store(b, bytes, address, segment, value) {
      const { hit, host } = lookUp(b, address, bytes, TLB.writeTag);
      const slow = () => {
        mark(b);
        if (bytes !== 16) {
          b.call(slowStore, address, bytes, ACCESS.write, segment, value.extU());
          return;
        }
        b.call(probeStore, address, 16, ACCESS.write, segment);
        const half = (n: bigint) => b.opWithImmediate('i64x2.extract_lane', n, value);
        b.call(slowStore, address, 8, ACCESS.write, segment, half(0n));
        b.call(slowStore, following(b, address, b.i64(8)), 8, ACCESS.write, segment, half(1n));
      };
      b.if(hit, () => b.store(bytes, host, 0, value), slow);
    },
  };
}
