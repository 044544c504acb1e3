import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Semantics, SemanticsTable } from '../lift.ts';
import { SEG } from '../registers.ts';
import { selectorOf } from './common.ts';
import { loadSegmentRegister } from './levels.ts';

const RAX = 0;
const RDX = 2;
const RBX = 3;

/** MOV; from a segment register the selector, zero-extended. */
const mov: Semantics = (l) => {
  const source = l.shape.operands[1];
  if (source.kind !== 'reg' || source.cls !== 'seg') {
    l.write(0, l.read(1));
    return;
  }
  const selector = selectorOf(l, l.registerNumber(1));
  l.write(0, l.width(0) === 64 ? selector.extU() : selector);
};

/** MOV to a segment register. */
const movsreg: Semantics = (l) => {
  const selector = l.read(1);
  loadSegmentRegister(l, l.registerNumber(0), selector.wrap().and(0xffff));
};

/** LES, LDS, LSS, LFS, LGS: offset, then selector. */
function loadFarPointer(segment: number): Semantics {
  return (l) => {
    const bytes = (l.size / 8) as Access['bytes'];
    const at = l.segment();
    const offset = l.b.guestLoad(l.size === 64 ? 'i64' : 'i32', bytes, l.address(bytes, false), at);
    const selector = l.b.guestLoad('i32', 2, l.address(2, false, bytes), at);
    loadSegmentRegister(l, l.b.i32(segment), selector, () => l.write(0, offset));
  };
}

const movzx: Semantics = (l) => {
  const value = l.read(1);
  l.write(0, l.width(0) === 64 ? value.extU() : value);
};

const movsx: Semantics = (l) => {
  const value = l.read(1).signExtend(l.width(1));
  l.write(0, l.width(0) === 64 ? value.extS() : value);
};

const lea: Semantics = (l) => {
  const address = l.effectiveAddress();
  l.write(0, l.width(0) === 64 ? address : address.wrap());
};

const xchg: Semantics = (l) => {
  const a = l.readForWrite(0);
  const b = l.read(1);
  l.write(0, b);
  l.write(1, a);
};

/** The bytes of a 16-, 32- or 64-bit value in the other order. */
function swapBytes(value: Val, width: number): Val {
  if (width === 16) return value.shl(8).or(value.shrU(8)).and(0xffff);
  if (width === 32) return value.rotl(8).and(0x00ff00ff).or(value.rotr(8).and(0xff00ff00));
  const words = value.rotl(32);
  const halves = words.and(0x0000ffff0000ffffn).shl(16).or(words.shrU(16).and(0x0000ffff0000ffffn));
  return halves.and(0x00ff00ff00ff00ffn).shl(8).or(halves.shrU(8).and(0x00ff00ff00ff00ffn));
}

/** BSWAP of 16 bits is undefined; processors clear the register. */
const bswap: Semantics = (l) => {
  const w = l.width(0);
  l.write(0, w === 16 ? l.int(16, 0) : swapBytes(l.read(0), w));
};

const movbe: Semantics = (l) => l.write(0, swapBytes(l.read(1), l.width(0)));

/** CBW, CWDE, CDQE. */
const cbw: Semantics = (l) => {
  const half = l.gpr(RAX, l.size / 2).signExtend(l.size / 2);
  l.setGpr(RAX, l.size, l.size === 64 ? half.extS() : half);
};

/** CWD, CDQ, CQO. */
const cwd: Semantics = (l) => {
  const a = l.gpr(RAX, l.size);
  l.setGpr(RDX, l.size, l.size === 64 ? a.shrS(63) : a.signExtend(l.size).shrS(31));
};

const xlat: Semantics = (l) => {
  const index = l.gpr(RAX, 8).extU();
  const ea = l.truncate(l.gpr(RBX, 64).add(index), l.shape.addressSize);
  const segment = l.segment();
  l.setGpr(RAX, 8, l.b.guestLoad('i32', 1, l.linear(segment, ea, 1, false, l.shape.flat), segment));
};

/** A 32-bit destination is zero-extended even where the condition is false. */
const cmovcc: Semantics = (l) => {
  const value = l.read(1);
  l.write(0, value.selectIf(l.flags.condition(l.shape.cc), l.read(0)));
};

const setcc: Semantics = (l) => l.write(0, l.flags.condition(l.shape.cc));

const nop: Semantics = () => {};

/** Moves, exchanges, conversions and hints. */
export const DATA_SEMANTICS: SemanticsTable = {
  mov,
  movsreg,
  les: loadFarPointer(SEG.ES),
  lds: loadFarPointer(SEG.DS),
  lss: loadFarPointer(SEG.SS),
  lfs: loadFarPointer(SEG.FS),
  lgs: loadFarPointer(SEG.GS),
  movzx,
  movsx,
  movsxd: movsx,
  lea,
  xchg,
  bswap,
  movbe,
  cbw,
  cwd,
  xlatb: xlat,
  cmovcc,
  setcc,
  nop,
  prefetch: nop,
};
