import { defineHelper } from '../../ir/define.ts';
import { getField as get } from '../../isa/fields.ts';
import { STATE } from '../../isa/registers.ts';
import { translate } from '../mmu.ts';
import { ACCESS, CONTEXT, entryOffset, TLB, TLB_BYTES } from '../tlb.ts';

const PAGE_MASK = ~0xfffn;

/**
 * Tries to make the TLB allow an access of `bytes` that lies in one page: 1 where it does now. Where it gives 0 the
 * interpreter is to make the access; a fault that was found on the way may be pending.
 */
export const refill = defineHelper(
  'refill',
  { params: ['i64', 'i32', 'i32'], result: 'i32' },
  (b, address, bytes, access) => {
    const page = address.and(PAGE_MASK);
    const last = address.add(bytes.sub(1).extU()).and(PAGE_MASK);
    const slow = get(b, STATE.tlb).eq(get(b, STATE.tlbArea).add(CONTEXT.slow * TLB_BYTES));
    b.if(page.ne(last).or(slow), () => b.return(0));
    b.if(get(b, STATE.efer).and(0x400).ne(0).and(address.shl(16).shrS(16).ne(address)), () => b.return(0));
    b.call(translate, address, access);
    const entry = get(b, STATE.tlb).add(entryOffset(address));
    const tag = entry.add(access.and(ACCESS.write).mul(TLB.writeTag - TLB.readTag));
    return b.load('i64', 8, tag, TLB.readTag).eq(page);
  },
);
