import type { Builder } from '../ir/builder.ts';
import { defineHelper } from '../ir/define.ts';
import type { Variable } from '../ir/nodes.ts';
import type { Val } from '../ir/val.ts';
import { getField as get, putField as put } from '../isa/fields.ts';
import { raiseIn } from '../isa/memory.ts';
import { CR0, CR4, EFER, FLAG, STATE, VECTOR_OF } from '../isa/registers.ts';
import { physicalLoad, physicalStore } from './physical.ts';
import { ACCESS, PAGE_MASK, TRANSLATION } from './tlb.ts';

/** Physical-address bits that page-table entries may have set: 40 bits, as CPUID leaf 80000008h says. */
const ADDRESS_MASK = 0xff_ffff_f000n;
/** Bits 51–40 of a page-table entry are reserved on this processor. */
const RESERVED_HIGH = 0x000f_ff00_0000_0000n;
/** Outside long mode, bits 62–40 are (SDM 3A, table 4-10). */
const RESERVED_HIGH_PAE = 0x7fff_ff00_0000_0000n;
const NX = 1n << 63n;

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
  const reserved = b.i64(RESERVED_HIGH).selectIf(get(b, STATE.efer).and(EFER.LMA).ne(0), RESERVED_HIGH_PAE);
  const high = entry.and(reserved).ne(0).or(entry.shrU(63).wrap().and(noNx));
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

/** Translates a linear address: the guest-physical 4 KiB page, with bits of {@link TRANSLATION}. Raises #PF. */
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
    const large = b.get(w.level).gtU(1);
    const bits = writable.and(dirty).or(global.shl(1)).or(large.shl(2));
    return leafPage(b, w, entry).and(get(b, STATE.a20Mask)).or(bits.extU());
  },
);

/** As {@link walkTables}, whether paging is on or not. Raises #GP for a non-canonical address. */
export const translateAny = defineHelper(
  'translateAny',
  { params: ['i64', 'i32'], result: 'i64', mayFault: true },
  (b, address, access) => {
    b.if(get(b, STATE.cr0).and(CR0.PG).eqz(), () => {
      b.return(address.and(0xffff_f000n).and(get(b, STATE.a20Mask)).or(TRANSLATION.writable));
    });
    b.if(get(b, STATE.efer).and(EFER.LMA).ne(0), () => {
      const sign = address.shl(16).shrS(16);
      b.if(sign.ne(address), () => raiseIn(b, VECTOR_OF.GP, 0));
    });
    return b.call(walkTables, address, access);
  },
);
