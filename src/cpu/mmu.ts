import type { Builder, GuestAccess, HostPlace } from '../ir/builder.ts';
import { declareHostFunction, defineHelper } from '../ir/define.ts';
import type { Val } from '../ir/val.ts';
import { getField as get, putField as put } from '../isa/fields.ts';
import { raiseIn } from '../isa/memory.ts';
import { CR4, EFER, SEG, STATE, VECTOR_OF } from '../isa/registers.ts';
import { PAGE_ABSENT, PAGE_DEVICE } from '../machine/guest-memory.ts';
import { anyEnabled, noteDataBreakpoints } from './breakpoints.ts';
import { translateAny } from './page-walk.ts';
import { absent, flagsOf, hostAddress, physicalLoad, physicalStore } from './physical.ts';
import {
  ACCESS,
  CONTEXT,
  entryOffset,
  FILL_LOG,
  PAGE_MASK,
  TLB,
  TLB_BYTES,
  TLB_EMPTY_BYTE,
  TLB_FLAG,
  TRANSLATION,
} from './tlb.ts';

/** Offsets in the largest large page that CPUID offers: 4 MiB. */
const LARGE_MASK = 0x3f_ffffn;

/** Tells a debugger of an access: linear address, bytes, bits of {@link ACCESS}. */
const watchedAccess = declareHostFunction('watchedAccess', { params: ['i64', 'i32', 'i32'] });
/** Whether a debugger watches a part of the page at a linear address. */
const watchesPage = declareHostFunction('watchesPage', { params: ['i64'], result: 'i32' });

/** The entry of the current context's TLB where `address` is looked for. */
function entryOf(b: Builder, address: Val): Val {
  return get(b, STATE.tlb).add(entryOffset(address));
}

/** Address of a context's TLB. */
export function tlbOf(b: Builder, context: number): Val {
  return get(b, STATE.tlbArea).add(context * TLB_BYTES);
}

/** The TLB that an access looks into and fills: the processor's own accesses use the supervisor's, whatever runs. */
export function tlbFor(b: Builder, access: Val): Val {
  const smap = get(b, STATE.cr4).wrap().and(CR4.SMAP);
  const supervisor = tlbOf(b, CONTEXT.supervisorSmap).selectIf(smap, tlbOf(b, CONTEXT.supervisor));
  return supervisor.selectIf(access.and(ACCESS.system), get(b, STATE.tlb));
}

/** Where the log of fills lies. */
function fillLog(b: Builder): Val {
  return get(b, STATE.tlbArea).add(FILL_LOG.offset);
}

/** Where the log has what happened when `count` things had happened before. */
function logged(log: Val, count: Val): Val {
  return log.add(count.and(FILL_LOG.entries - 1).mul(4));
}

/** Remembers that an entry has been filled, or made writable. */
function logFill(b: Builder, entry: Val): void {
  const log = fillLog(b);
  const count = b.load('i32', 4, log, FILL_LOG.count);
  b.store(4, logged(log, count), FILL_LOG.ring, entry);
  b.store(4, log, FILL_LOG.count, count.add(1));
}

/** Enters a translation into a TLB's entry, as far as the page's flags let guest code at it directly. */
const fillTlb = defineHelper('fillTlb', { params: ['i64', 'i64', 'i32'] }, (b, address, translation, entry) => {
  const gpa = translation.and(PAGE_MASK);
  const flags = b.call(flagsOf, gpa);
  const slow = entry.geU(tlbOf(b, CONTEXT.slow));
  b.if(slow.or(flags.and(PAGE_DEVICE | PAGE_ABSENT)), () => b.return());
  b.if(get(b, STATE.watching), () => b.if(b.call(watchesPage, address), () => b.return()));
  const page = address.and(PAGE_MASK);
  const bits = translation.wrap();
  b.if(bits.and(TRANSLATION.large), () => {
    const [low, high] = [page.and(~LARGE_MASK), page.or(LARGE_MASK & PAGE_MASK)];
    b.if(low.ltU(get(b, STATE.largeLow)), () => put(b, STATE.largeLow, low));
    b.if(high.gtU(get(b, STATE.largeHigh)), () => put(b, STATE.largeHigh, high));
  });
  b.store(8, entry, TLB.addend, b.call(hostAddress, gpa).sub(page));
  b.store(4, entry, TLB.page, gpa.shrU(12).wrap());
  b.store(8, entry, TLB.readTag, page);
  b.store(8, entry, TLB.writeTag, page.selectIf(bits.and(TRANSLATION.writable).and(flags.eqz()), b.i64(1)));
  b.store(4, entry, TLB.flags, bits.and(TRANSLATION.writable | TRANSLATION.global));
  logFill(b, entry);
});

/**
 * Translates for one data access and remembers it. The result is the guest-physical address of the byte. What the TLB
 * knows is believed even here, where an access comes for another reason than a miss: whether tables are walked, and
 * their accessed and dirty bits set, must depend on the guest's accesses alone.
 * @param access bits of {@link ACCESS}
 */
export const translate = defineHelper(
  'translate',
  { params: ['i64', 'i32'], result: 'i64', mayFault: true },
  (b, address, access) => {
    const entry = tlbFor(b, access).add(entryOffset(address));
    const page = address.and(PAGE_MASK);
    const write = access.and(ACCESS.write);
    const denied = write.and(b.load('i32', 4, entry, TLB.flags).xor(TLB_FLAG.writable));
    b.if(b.load('i64', 8, entry, TLB.readTag).eq(page).and(denied.eqz()), () => {
      const gpa = b.load('i64', 4, entry, TLB.page).shl(12);
      b.if(write.and(b.call(flagsOf, gpa).eqz()), () => {
        b.store(8, entry, TLB.writeTag, page);
        logFill(b, entry);
      });
      b.return(gpa.or(address.and(0xfffn)));
    });
    put(b, STATE.tlbMisses, get(b, STATE.tlbMisses).add(1n));
    const translation = b.call(translateAny, address, access);
    b.call(fillTlb, address, translation, entry);
    return translation.and(PAGE_MASK).or(address.and(0xfffn));
  },
);

/** Walks the tables for a fetch of code. Result: the guest-physical page with bits of {@link TRANSLATION}. */
export const translateCode = defineHelper(
  'translateCode',
  { params: ['i64'], result: 'i64', mayFault: true },
  (b, address) => b.call(translateAny, address, b.i32(ACCESS.execute)),
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
    const misaligned = address.wrap().and(bytes.sub(1)).ne(0);
    b.if(anyEnabled(get(b, STATE.dr7).wrap()), () => void b.call(noteDataBreakpoints, address, bytes, access));
    b.if(get(b, STATE.watching), () => void b.call(watchedAccess, address, bytes, access));
    b.if(get(b, STATE.alignmentChecked).and(misaligned).and(access.and(ACCESS.system).eqz()), () =>
      raiseIn(b, VECTOR_OF.AC, 0),
    );
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

/** Where an access to a byte of guest memory goes: translates as that of `bytes` from there on would, and faults as it would. */
export const storePlace = defineHelper(
  'storePlace',
  { params: ['i64', 'i32', 'i32', 'i32'], result: 'i64', mayFault: true },
  (b, address, bytes, access, segment) => {
    const gpa = b.call(translateData, address, access, bytes, segment);
    b.if(b.call(flagsOf, gpa).and(PAGE_ABSENT), () => absent(b, gpa));
    return gpa;
  },
);

/** Empties all TLBs, or keeps global entries. */
export const flushTlbs = defineHelper('flushTlbs', { params: ['i32'] }, (b, keepGlobal) => {
  const log = fillLog(b);
  const since = b.load('i32', 4, log, FILL_LOG.flushed);
  b.store(4, log, FILL_LOG.flushed, b.load('i32', 4, log, FILL_LOG.count));
  b.if(keepGlobal.eqz(), () => {
    b.memoryFill(get(b, STATE.tlbArea), b.i32(TLB_EMPTY_BYTE), b.i32(CONTEXT.slow * TLB_BYTES));
    put(b, STATE.largeLow, b.i64(-1));
    put(b, STATE.largeHigh, b.i64(0));
    b.return();
  });
  forEachSince(b, since, (entry) => {
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
  const entry = b.variable('i32', get(b, STATE.tlbArea).add(entryOffset(address)), 'entry');
  const n = b.variable('i32', CONTEXT.slow, 'n');
  b.loop((again) => {
    invalidate(b, b.get(entry));
    b.set(entry, b.get(entry).add(TLB_BYTES));
    b.set(n, b.get(n).sub(1));
    b.if(b.get(n), () => b.continue(again));
  });
});

/** Makes guest code take the slow path when it next writes to one of `count` guest-physical pages from number `first` on. */
export const watchPages = defineHelper('watchPages', { params: ['i32', 'i32'] }, (b, first, count) => {
  forEachEntry(b, (entry) => {
    const isWatched = b.load('i32', 4, entry, TLB.page).sub(first).ltU(count);
    b.if(isWatched, () => b.store(8, entry, TLB.writeTag, b.i64(1)));
  });
});

/** As {@link watchPages} for one page that no entry let be written to when the log of fills had the count `since`. */
export const watchPageAgain = defineHelper('watchPageAgain', { params: ['i32', 'i32'] }, (b, page, since) => {
  forEachSince(b, since, (entry) => {
    const isWatched = b.load('i32', 4, entry, TLB.page).eq(page);
    b.if(isWatched, () => b.store(8, entry, TLB.writeTag, b.i64(1)));
  });
});

function invalidate(b: Builder, entry: Val): void {
  b.store(8, entry, TLB.readTag, b.i64(1));
  b.store(8, entry, TLB.writeTag, b.i64(1));
  b.store(4, entry, TLB.flags, b.i32(0));
}

/** Visits the entries that were filled or made writable since the log's count was `since`; all where it does not say which. */
function forEachSince(b: Builder, since: Val, visit: (entry: Val) => void): void {
  const log = fillLog(b);
  const count = b.load('i32', 4, log, FILL_LOG.count);
  b.if(count.sub(since).gtU(FILL_LOG.entries), () => {
    forEachEntry(b, visit);
    b.return();
  });
  const n = b.variable('i32', since, 'n');
  b.loop((again) => {
    b.if(b.get(n).eq(count), () => b.return());
    visit(b.load('i32', 4, logged(log, b.get(n)), FILL_LOG.ring));
    b.set(n, b.get(n).add(1));
    b.continue(again);
  });
}

function forEachEntry(b: Builder, visit: (entry: Val) => void): void {
  const start = get(b, STATE.tlbArea);
  const entry = b.variable('i32', start, 'entry');
  const end = start.add(CONTEXT.slow * TLB_BYTES);
  b.loop((again) => {
    visit(b.get(entry));
    b.set(entry, b.get(entry).add(TLB.bytes));
    b.if(b.get(entry).ltU(end), () => b.continue(again));
  });
}

/** Host address, i64, where the TLB lets `bytes` at `address` be reached directly, else 0 in `hit`. */
function lookUp(b: Builder, address: Val, bytes: number, tag: number): HostPlace {
  const entry = entryOf(b, address);
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
      const slow = () => {
        mark(b);
        const part = (offset: number, bytes: number) =>
          b.call(slowLoad, offset === 0 ? address : following(b, address, b.i64(offset)), bytes, bits, segment);
        if (type === 'v128') {
          const bytes = Math.min(access.bytes, 8);
          const low = b.opWithImmediate('i64x2.replace_lane', 0n, b.const('v128', 0), part(0, bytes));
          return bytes === access.bytes ? low : b.opWithImmediate('i64x2.replace_lane', 1n, low, part(8, 8));
        }
        return type === 'i64' ? part(0, access.bytes) : part(0, access.bytes).wrap();
      };
      const loaded = b.variable(type, 0, 'loaded');
      b.ifRarely(
        hit.eqz(),
        () => b.set(loaded, slow()),
        () => b.set(loaded, b.load(type, access.bytes, host)),
      );
      return b.get(loaded);
    },
    store(b, bytes, address, segment, value) {
      const { hit, host } = lookUp(b, address, bytes, TLB.writeTag);
      const slow = () => {
        mark(b);
        if (bytes !== 16) {
          b.call(slowStore, address, bytes, ACCESS.write, segment, value.bits().extU());
          return;
        }
        b.call(probeStore, address, 16, ACCESS.write, segment);
        const half = (n: bigint) => b.opWithImmediate('i64x2.extract_lane', n, value);
        b.call(slowStore, address, 8, ACCESS.write, segment, half(0n));
        b.call(slowStore, following(b, address, b.i64(8)), 8, ACCESS.write, segment, half(1n));
      };
      b.ifRarely(hit.eqz(), slow, () => b.store(bytes, host, 0, value));
    },
    host: (b, address, forWrite) => lookUp(b, address, 1, forWrite ? TLB.writeTag : TLB.readTag),
    /** A source is never in SS where addresses can fail to be canonical: 64-bit code ignores that prefix. */
    hostToRead(b, address) {
      const { hit } = lookUp(b, address, 1, TLB.readTag);
      b.if(hit.or(get(b, STATE.watching)).eqz(), () => {
        mark(b);
        b.call(translateData, address, 0, 1, SEG.DS);
      });
      return lookUp(b, address, 1, TLB.readTag);
    },
  };
}
