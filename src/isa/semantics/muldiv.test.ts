import assert from 'node:assert/strict';
import { it } from 'node:test';
import { abstractGuest } from '../../ir/builder.ts';
import { defineHelper } from '../../ir/define.ts';
import { Evaluator } from '../../ir/evaluate.ts';
import { overflows64 } from './muldiv.ts';

const TARGET = { pendingOffset: 0, guest: abstractGuest };

/** Powers of two, roots of 2^63 and 2^64, and their neighbours, of either sign. */
function numbersNearLimits(): bigint[] {
  const roots = [3_037_000_499n, 4_294_967_296n, ...Array.from({ length: 64 }, (_, n) => 1n << BigInt(n))];
  const near = roots.flatMap((root) => [-2n, -1n, 0n, 1n, 2n].flatMap((by) => [root + by, -root + by]));
  return [...new Set(near.map((value) => BigInt.asIntN(64, value)))];
}

it('the signed product of 64 bits overflows where it does not fit, next to the limit too', () => {
  const refuse = () => assert.fail('nothing outside is called');
  const world = { memory: new DataView(new ArrayBuffer(0)), guestLoad: refuse, guestStore: refuse, hostCall: refuse };
  const evaluator = new Evaluator({ ...world, tailCallIndirect: refuse }, TARGET);
  const helper = defineHelper('overflows', { params: ['i64', 'i64'], result: 'i32' }, (b, x, y) =>
    overflows64(b, x, y, x.mul(y)),
  );
  const overflows = (x: bigint, y: bigint) =>
    evaluator.call(helper, [0n, BigInt.asUintN(64, x), BigInt.asUintN(64, y)]) === 1n;
  const limit = 1n << 63n;
  for (const x of numbersNearLimits()) {
    const last = x === 0n ? 0n : limit / x;
    for (const y of [last - 1n, last, last + 1n, -last - 1n, -last, -last + 1n, x, -x, -limit, limit - 1n, -1n]) {
      const factor = BigInt.asIntN(64, y);
      const product = x * factor;
      assert.equal(overflows(x, factor), product !== BigInt.asIntN(64, product), `${x} by ${factor}`);
    }
  }
});
