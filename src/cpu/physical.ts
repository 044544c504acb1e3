import type { Builder } from '../ir/builder.ts';
import { declareHostFunction, defineHelper } from '../ir/define.ts';
import type { Val } from '../ir/val.ts';
import { getField as get, putField as put } from '../isa/fields.ts';
import { PENDING, STATE } from '../isa/registers.ts';
import { PAGE_ABSENT, PAGE_DEVICE, PAGE_READ_ONLY } from '../machine/guest-memory.ts';

/** Device memory: the bus is asked. Arguments: guest-physical address, bytes (and value). */
const mmioRead = declareHostFunction('mmioRead', { params: ['i64', 'i32'], result: 'i64' });
const mmioWrite = declareHostFunction('mmioWrite', { params: ['i64', 'i32', 'i64'] });
/** Tells that guest code is about to write `bytes` to a page that has flags. */
const pageWritten = declareHostFunction('pageWritten', { params: ['i64', 'i32'] });

const FOUR_GIB = 1n << 32n;
const NO_RAM = -1n;

/** Host address of guest-physical `gpa` in RAM or video memory, or -1 where there is neither. */
export const hostAddress = defineHelper('hostAddress', { params: ['i64'], result: 'i64' }, (b, gpa) => {
  b.if(gpa.ltU(get(b, STATE.ramLowEnd)), () => b.return(gpa.add(get(b, STATE.ramLow))));
  const inVideo = gpa.geU(get(b, STATE.videoStart)).and(gpa.ltU(get(b, STATE.videoEnd)));
  b.if(inVideo, () => b.return(gpa.add(get(b, STATE.video))));
  b.if(gpa.geU(FOUR_GIB).and(gpa.ltU(get(b, STATE.ramHighEnd))), () => b.return(gpa.add(get(b, STATE.ramHigh))));
  return b.i64(NO_RAM);
});

/** Flags of the page at `gpa`; PAGE_DEVICE outside RAM. */
export const flagsOf = defineHelper('pageFlagsOf', { params: ['i64'], result: 'i32' }, (b, gpa) => {
  const page = gpa.shrU(12);
  b.if(page.geU(get(b, STATE.pageCount).extU()), () => b.return(PAGE_DEVICE));
  return b.load('i32', 1, get(b, STATE.pageFlags).add(page.wrap()));
});

/** Leaves a page-in pending. */
export function absent(b: Builder, gpa: Val): void {
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
