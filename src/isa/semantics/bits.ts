import { defineHelper } from '../../ir/define.ts';
import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';

type Change = (value: Val, bit: Val) => Val;

/** The operand of BT and its relatives in place: how to read it and, where it changes, write it. */
interface BitOperand {
  readonly value: Val;
  write(value: Val): void;
}

/** A bit string in memory: a register index chooses the word as well, signed (SDM 2A, BT). */
function bitString(l: Lift, index: Val, forWrite: boolean): BitOperand {
  const w = l.width(0);
  const bytes = (w / 8) as Access['bytes'];
  const word = index.signExtend(w).extS().shrS(Math.log2(w));
  const ea = l.truncate(l.effectiveAddress().add(word.mul(bytes)), l.shape.addressSize);
  const segment = l.segment();
  const address = l.linear(segment, ea, bytes, forWrite, l.shape.flat);
  const value = l.b.guestLoad(w === 64 ? 'i64' : 'i32', bytes, address, segment, forWrite);
  return { value, write: (v) => l.b.guestStore(bytes, address, segment, v) };
}

function bitOperand(l: Lift, index: Val, forWrite: boolean): BitOperand {
  if (l.isMemory(0) && l.shape.operands[1].kind === 'reg') return bitString(l, index, forWrite);
  return { value: l.read(0, forWrite), write: (v) => l.write(0, v) };
}

/** BT, and with `change` BTS, BTR, BTC: CF gets the bit; the other flags, undefined or kept, stay. */
function bitTest(change?: Change): Semantics {
  return (l) => {
    const w = l.width(0);
    const index = l.read(1);
    const operand = bitOperand(l, index, change !== undefined);
    const n = (w === 64 ? index.extU() : index).and(w - 1);
    const bit = operand.value.shrU(n).wrap().and(1);
    if (change !== undefined) operand.write(change(operand.value, l.int(w, 1).shl(n)));
    l.flags.write('CF', bit);
  };
}

/** BSF and BSR: a zero source sets ZF and leaves the destination. */
function bitScan(find: (source: Val, width: number) => Val): Semantics {
  return (l) => {
    const w = l.width(0);
    const source = l.read(1);
    l.b.if(source.nez(), () => l.write(0, find(source, w)));
    l.flags.logic(w, source);
  };
}

const popcnt: Semantics = (l) => {
  const source = l.read(1);
  l.write(0, source.popcnt());
  l.flags.writeWord(source.eqz().shl(6));
};

/** The Castagnoli polynomial, bits reversed (SDM 2A, CRC32). */
const CRC32C = 0x82f63b78;

/** `bytes` low bytes of `data` taken into `crc`, least significant bit first. */
const crc32c = defineHelper('crc32c', { params: ['i32', 'i64', 'i32'], result: 'i32' }, (b, crc, data, bytes) => {
  const sum = b.variable('i32', crc, 'crc');
  const rest = b.variable('i64', data, 'rest');
  const left = b.variable('i32', bytes, 'left');
  b.loop((again) => {
    let step = b.get(sum).xor(b.get(rest).wrap().and(0xff));
    for (let i = 0; i < 8; i++) step = step.shrU(1).xor(step.and(1).neg().and(CRC32C));
    b.set(sum, step);
    b.set(rest, b.get(rest).shrU(8));
    b.set(left, b.get(left).sub(1));
    b.if(b.get(left), () => b.continue(again));
  });
  return b.get(sum);
});

const crc32: Semantics = (l) => {
  const data = l.read(1).extU();
  const seed = l.read(0).wrap();
  const sum = l.b.call(crc32c, seed, data, l.width(1) / 8);
  l.write(0, l.width(0) === 64 ? sum.extU() : sum);
};

/** Bit tests, scans and counts, and CRC32. */
export const BITS_SEMANTICS: SemanticsTable = {
  bt: bitTest(),
  bts: bitTest((value, bit) => value.or(bit)),
  btr: bitTest((value, bit) => value.and(bit.not())),
  btc: bitTest((value, bit) => value.xor(bit)),
  bsf: bitScan((source) => source.ctz()),
  bsr: bitScan((source, w) => source.clz().xor(w === 64 ? 63 : 31)),
  popcnt,
  crc32,
};
