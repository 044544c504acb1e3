import type { Builder } from '../ir/builder.ts';
import { declareHostFunction, defineHelper, type IrHelper } from '../ir/define.ts';
import type { Val } from '../ir/val.ts';
import { getField as get, putField as put } from '../isa/fields.ts';
import { PENDING, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE } from '../isa/registers.ts';
import { PAGE_BYTES } from '../machine/guest-memory.ts';
import { BLOCK, BLOCK_HASH, BLOCK_TABLE, GONE, JUMP_CACHE, LINKS_OF_RECORD, NOTE, RECORD_BYTES } from './records.ts';
import { CODE_TLB, codeEntryOffset } from './tlb.ts';

/** Where decoded code has the function for the record or header at an address. */
function codeIndex(address: Val): Val {
  return address.shrU(Math.log2(RECORD_BYTES));
}

/** Where the links have one of {@link LINK} of the record at an address. */
export function linkIndex(record: Val, link: number): Val {
  return record.shrU(Math.log2(RECORD_BYTES / LINKS_OF_RECORD)).or(link);
}

/** Continues with the record at `record`. */
export function continueAt(b: Builder, record: Val): void {
  b.tailCallIndirect(codeIndex(record), record);
}

/** Takes a block's instructions off the budget and goes on, where it covers them; otherwise recording goes on behind this. */
function pay(b: Builder, count: Val, goOn: () => void): void {
  const left = get(b, STATE.budget).sub(count);
  b.if(left.geS(0), () => {
    put(b, STATE.budget, left);
    goOn();
  });
}

/** Tells that a block, by the address of its header, has been entered often. */
const hot = declareHostFunction('hot', { params: ['i32'] });

/**
 * Counts an entry into a block and continues with it, when the budget covers it; otherwise recording goes on behind this.
 * @param goOn continues with a block's first record where no region is entered at the block; absent: as anywhere
 */
export function enterBlock(b: Builder, block: Val, goOn?: (record: Val) => void): void {
  pay(b, b.load('i32', 4, block, BLOCK.count), () => {
    const left = b.load('i32', 4, block, BLOCK.countdown).sub(1);
    b.store(4, block, BLOCK.countdown, left);
    b.ifRarely(left.eqz(), () => void b.call(hot, block));
    const first = block.add(RECORD_BYTES);
    if (goOn) b.if(b.load('i32', 2, block, BLOCK.label).eqz(), () => goOn(first));
    b.tailCallIndirect(codeIndex(block), first);
  });
}

/**
 * Continues with the region that is entered at the block in an entry of the jump cache, when there is one and the budget covers
 * the block; otherwise recording goes on behind this.
 * @param goOn continues with its function, by slot, and record
 */
export function enterRegion(
  b: Builder,
  entry: Val,
  goOn = (slot: Val, record: Val) => b.tailCallSlot(slot, record),
): void {
  const countAndLabel = b.load('i32', 4, entry, JUMP_CACHE.count);
  b.if(countAndLabel.gtU(0xffff), () => {
    pay(b, countAndLabel.and(0xffff), () => {
      const record = b.load('i32', 4, entry, JUMP_CACHE.block).add(RECORD_BYTES);
      goOn(b.load('i32', 4, entry, JUMP_CACHE.entry), record);
    });
  });
}

/** Brings an entry of the jump cache up to date: a region has been made of the block that it holds, or the block has gone. */
function noteChange(b: Builder, entry: Val, block: Val): void {
  const label = b.load('i32', 2, block, BLOCK.label);
  b.if(label, () => {
    b.if(label.eq(GONE), () => {
      b.store(4, entry, JUMP_CACHE.key, b.i32(0));
      b.tailCall(dispatch);
    });
    b.store(4, entry, JUMP_CACHE.entry, b.load('i32', 4, block, BLOCK.entry));
    b.store(2, entry, JUMP_CACHE.label, label);
  });
}

/** Linear address of `rip` in the current code segment. */
function linearOf(b: Builder, rip: Val): Val {
  const base = b.load('i64', 8, b.cpu, SEGMENTS + SEG.CS * SEGMENT_BYTES + SEGMENT.base);
  return rip.add(base).and(get(b, STATE.linearMask));
}

/** Whether the block at `linear` goes on in a page that is not the one from which it was decoded, or not known to be, i32. */
function isTorn(b: Builder, linear: Val, block: Val): Val {
  const mask = get(b, STATE.linearMask);
  const next = linear
    .or(PAGE_BYTES - 1)
    .add(1)
    .and(mask);
  const entry = get(b, STATE.tlb).add(codeEntryOffset(next));
  const last = block.add(b.load('i32', 4, block, BLOCK.count).add(1).mul(RECORD_BYTES));
  const isOther = b.load('i32', 4, entry, CODE_TLB.page).ne(b.load('i32', 4, last, NOTE.tailPage));
  return b.load('i64', 8, entry, CODE_TLB.tag).ne(next).or(isOther);
}

/** Finds the decoded block at `rip` through the TLB and the block table, and enters it in the jump cache; else 0. */
const findBlock = defineHelper('findBlock', { params: ['i64', 'i32'], result: 'i32' }, (b, rip, cacheEntry) => {
  const linear = linearOf(b, rip);
  const entry = get(b, STATE.tlb).add(codeEntryOffset(linear));
  b.if(b.load('i64', 8, entry, CODE_TLB.tag).ne(linear.and(~0xfffn)), () => b.return(0));
  const gpa = b.load('i64', 4, entry, CODE_TLB.page).shl(12).or(linear.and(0xfff));
  const key = gpa.or(get(b, STATE.modeKey).extU().shl(48));
  const mask = BLOCK_TABLE.entries - 1;
  const at = b.variable('i32', gpa.wrap().xor(gpa.shrU(32).wrap()).mul(BLOCK_HASH).shrU(14).and(mask), 'at');
  const probes = b.variable('i32', BLOCK_TABLE.probes, 'probes');
  b.loop((again) => {
    const slot = get(b, STATE.blockTable).add(b.get(at).mul(BLOCK_TABLE.bytes));
    const found = b.load('i64', 8, slot, BLOCK_TABLE.key);
    b.if(found.eq(key), () => {
      const block = b.load('i32', 4, slot, BLOCK_TABLE.block);
      const extent = b.load('i64', 4, block, BLOCK.extent);
      b.if(rip.add(extent.sub(1)).gtU(get(b, STATE.codeLimit)), () => b.return(0));
      const end = linear.and(PAGE_BYTES - 1).add(extent);
      b.if(end.gtU(PAGE_BYTES), () => b.if(isTorn(b, linear, block), () => b.return(0)));
      b.store(8, cacheEntry, JUMP_CACHE.rip, rip);
      b.store(4, cacheEntry, JUMP_CACHE.key, get(b, STATE.codeKey));
      b.store(4, cacheEntry, JUMP_CACHE.block, block);
      b.store(8, cacheEntry, JUMP_CACHE.ripBase, rip.sub(linear.and(0xfff)));
      b.store(4, cacheEntry, JUMP_CACHE.entry, b.load('i32', 4, block, BLOCK.entry));
      b.store(2, cacheEntry, JUMP_CACHE.count, b.load('i32', 4, block, BLOCK.count));
      b.store(2, cacheEntry, JUMP_CACHE.label, b.load('i32', 2, block, BLOCK.label));
      b.return(block);
    });
    b.if(found.eqz(), () => b.return(0));
    b.set(at, b.get(at).add(1).and(mask));
    b.set(probes, b.get(probes).sub(1));
    b.if(b.get(probes), () => b.continue(again));
  });
  return 0;
});

/** Looks into the jump cache: the entry for `rip`, which holds where both conditions (i32) do. */
export function lookUp(b: Builder, rip: Val): { readonly entry: Val; readonly sameRip: Val; readonly sameKey: Val } {
  const low = rip.wrap();
  const slot = low.xor(low.shrU(12)).and(JUMP_CACHE.entries - 1);
  const entry = get(b, STATE.jumpCache).add(slot.mul(JUMP_CACHE.bytes));
  const sameRip = b.load('i64', 8, entry, JUMP_CACHE.rip).eq(rip);
  const sameKey = b.load('i32', 4, entry, JUMP_CACHE.key).eq(get(b, STATE.codeKey));
  return { entry, sameRip, sameKey };
}

/** Continues at `STATE.rip`, or returns to the run loop with `pending` saying why not. */
export const dispatch: IrHelper = defineHelper('dispatch', { threaded: true }, (b) => {
  recordDispatch(b, (block) => enterBlock(b, block));
});

/** Records what {@link dispatch} does, at the end of a function. @param enter as {@link enterBlock} */
export function recordDispatch(b: Builder, enter: (block: Val) => void): void {
  b.ifRarely(get(b, STATE.pending), () => b.return());
  const rip = get(b, STATE.rip);
  const { entry, sameRip, sameKey } = lookUp(b, rip);
  b.ifRarely(sameRip.and(sameKey).eqz(), () => {
    // Nothing is fetched for an instruction that will not be executed now.
    b.if(get(b, STATE.budget).eqz(), () => {
      put(b, STATE.pending, b.i32(PENDING.event));
      b.return();
    });
    b.if(b.call(findBlock, rip, entry).eqz(), () => {
      put(b, STATE.pending, b.i32(PENDING.decode));
      b.return();
    });
  });
  put(b, STATE.ripBase, b.load('i64', 8, entry, JUMP_CACHE.ripBase));
  enterRegion(b, entry);
  const block = b.load('i32', 4, entry, JUMP_CACHE.block);
  noteChange(b, entry, block);
  enter(block);
  put(b, STATE.pending, b.i32(PENDING.event));
}

/** Address of the jump cache's entry for `rip`, as {@link dispatch} computes it. */
export function jumpCacheEntry(jumpCache: number, rip: bigint): number {
  const low = Number(rip & 0xffffffffn);
  return jumpCache + ((low ^ (low >>> 12)) & (JUMP_CACHE.entries - 1)) * JUMP_CACHE.bytes;
}

/** First slot of the block table to look into for guest-physical `gpa`, as {@link findBlock} computes it. */
export function blockTableSlot(gpa: number): number {
  const low = (gpa % 0x100000000) | 0;
  const high = Math.floor(gpa / 0x100000000) | 0;
  return (Math.imul(low ^ high, BLOCK_HASH | 0) >>> 14) & (BLOCK_TABLE.entries - 1);
}

/** Number of one of the links ({@link LINK}) of the record at an address, as {@link linkIndex} computes it. */
export function recordLink(record: number, link: number): number {
  return (record / RECORD_BYTES) * LINKS_OF_RECORD + link;
}
