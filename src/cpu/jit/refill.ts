import { defineHelper } from '../../ir/define.ts';
import { getField as get, putField as put } from '../../isa/fields.ts';
import { PENDING, STATE } from '../../isa/registers.ts';
import { tlbOf, translate } from '../mmu.ts';
import { ACCESS, CONTEXT, entryOffset, PAGE_MASK, TLB } from '../tlb.ts';

/** As {@link refill}: 1 where the TLB allows the access now. A fault that was found on the way may be pending. */
const tryRefill = defineHelper(
  'tryRefill',
  { params: ['i64', 'i32', 'i32'], result: 'i32' },
  (b, address, bytes, access) => {
    const page = address.and(PAGE_MASK);
    const last = address.add(bytes.sub(1).extU()).and(PAGE_MASK);
    const slow = get(b, STATE.tlb).eq(tlbOf(b, CONTEXT.slow));
    b.if(page.ne(last), () => {
      put(b, STATE.straddled, b.i32(1));
      b.return(0);
    });
    b.if(slow, () => b.return(0));
    b.if(get(b, STATE.efer).and(0x400).ne(0).and(address.shl(16).shrS(16).ne(address)), () => b.return(0));
    b.call(translate, address, access);
    const entry = get(b, STATE.tlb).add(entryOffset(address));
    const tag = entry.add(access.and(ACCESS.write).mul(TLB.writeTag - TLB.readTag));
    return b.load('i64', 8, tag, TLB.readTag).eq(page);
  },
);

/**
 * Tries to make the TLB allow an access of `bytes` that lies in one page. Gives the budget, which devices that hold page
 * tables may have taken away; inverted where the interpreter is to make the access. The tag that did not match is given
 * for V8's sake: a value that is only compared is loaded twice, for the trap that the load may be and for the comparison.
 */
export const refill = defineHelper(
  'refill',
  { params: ['i64', 'i32', 'i32', 'i32', 'i64'], result: 'i32' },
  (b, address, bytes, access, budget, _tag) => {
    put(b, STATE.budget, budget);
    const allowed = b.call(tryRefill, address, bytes, access);
    put(b, STATE.pending, b.i32(PENDING.none));
    const left = get(b, STATE.budget);
    return left.selectIf(allowed, left.not());
  },
);
