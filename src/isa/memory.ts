import type { Builder } from '../ir/builder.ts';
import { defineHelper, type IrHelper } from '../ir/define.ts';
import type { Val } from '../ir/val.ts';
import { PENDING, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE, VECTOR_OF } from './registers.ts';

/** Records that an exception is pending and leaves the function. */
export function raiseIn(b: Builder, vector: number | Val, error: number | Val): void {
  b.store(4, b.cpu, STATE.faultVector.offset, b.coerce('i32', vector));
  b.store(4, b.cpu, STATE.faultError.offset, b.coerce('i32', error));
  b.store(4, b.cpu, STATE.pending.offset, b.i32(PENDING.exception));
  b.return();
}

/** 64-bit mode: only FS and GS have a base, and there is no limit; canonical form is checked where memory is accessed. */
const inLongMode = defineHelper(
  'segmentedAddress64',
  { params: ['i32', 'i64', 'i32', 'i32'], result: 'i64', mayFault: true },
  (b, segment, offset) => offset.add(b.load('i64', 8, b.cpu.add(segment.mul(SEGMENT_BYTES)), SEGMENTS + SEGMENT.base)),
);

/**
 * Other modes: offset and last byte within the limits, right of access, base added modulo 2³² (SDM 3A, 5.3). An access
 * across the end of a segment of 4 GiB wraps around, as it does in a flat segment.
 */
const inLegacyMode = defineHelper(
  'segmentedAddress32',
  { params: ['i32', 'i64', 'i32', 'i32'], result: 'i64', mayFault: true },
  (b, segment, offset, extra, write) => {
    const record = b.cpu.add(segment.mul(SEGMENT_BYTES));
    const low = b.load('i64', 4, record, SEGMENTS + SEGMENT.low);
    const high = b.load('i64', 4, record, SEGMENTS + SEGMENT.high);
    const access = b.load('i32', 4, record, SEGMENTS + SEGMENT.access);
    const last = offset.add(extra.extU()).and(0xffffffffn);
    const outside = offset.ltU(low).or(offset.gtU(high)).or(last.gtU(high));
    const forbidden = access.shrU(write).and(1).eqz();
    b.if(outside.or(forbidden), () => {
      const vector = b.i32(VECTOR_OF.SS).selectIf(segment.eq(SEG.SS), VECTOR_OF.GP);
      raiseIn(b, vector, 0);
    });
    return offset.add(b.load('i64', 8, record, SEGMENTS + SEGMENT.base)).and(0xffffffffn);
  },
);

/** The helper that turns (segment, offset i64, bytes - 1, 1 if for writing) into a linear address, or raises #GP or #SS. */
export function segmentedAddress(longMode: boolean): IrHelper {
  return longMode ? inLongMode : inLegacyMode;
}
