import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { CR0, FLAG, STATE, X87, X87_EXPONENT } from '../registers.ts';
import { getField, setField, startControl, startWaiting } from './x87-stack.ts';
import { initialize, restoreControlAndStatus, statusWord } from './x87-status.ts';

/** Bytes of FSTENV's image with 16-bit and 32-bit operands (SDM 1, figures 8-9 to 8-12), and of a register. */
const ENVIRONMENT_BYTES = { 16: 14, 32: 28 } as const;
const REGISTER_BYTES = 10;

/** A place in guest memory whose bytes are known to be accessible: linear address and segment. */
interface Place {
  readonly b: Builder;
  readonly address: Val;
  readonly segment: Val;
}

function addressAt({ b, address }: Place, offset: number | Val): Val {
  return address.add(offset).and(getField(b, STATE.linearMask));
}
function storeAt(place: Place, bytes: Access['bytes'], offset: number | Val, value: Val): void {
  place.b.guestStore(bytes, addressAt(place, offset), place.segment, value);
}
function loadAt(place: Place, bytes: 2 | 4, offset: number | Val): Val {
  return place.b.guestLoad('i32', bytes, addressAt(place, offset), place.segment);
}

/** 1 where the image has the real-address form: real-address and virtual-8086 mode. */
function isRealForm(b: Builder): Val {
  const real = getField(b, STATE.cr0).wrap().and(CR0.PE).eqz();
  return real.or(getField(b, STATE.eflags).and(FLAG.VM).nez());
}

/** The two bits of the full tag word for physical register `index`: 0 valid, 1 zero, 2 special, 3 empty (SDM 1, 8.1.7). */
function fullTag(b: Builder, index: Val): Val {
  const slot = b.cpu.add(index.shl(4));
  const exponent = b.load('i32', 2, slot, X87 + X87_EXPONENT).and(0x7fff);
  const significand = b.load('i64', 8, slot, X87);
  const special = exponent.sub(1).geU(0x7ffe).or(significand.shrU(63).wrap().eqz());
  const zero = exponent.eqz().and(significand.eqz());
  const tag = b.i32(1).selectIf(zero, special.shl(1));
  return tag.selectIf(getField(b, STATE.ftw).shrU(index).and(1), 3);
}

/** The tag word of 16 bits. */
const fullTags = defineHelper('x87FullTags', { result: 'i32' }, (b) => {
  const tags = b.variable('i32', 0);
  const index = b.variable('i32', 0);
  b.loop((again) => {
    const i = b.get(index);
    b.set(tags, b.get(tags).or(fullTag(b, i).shl(i.shl(1))));
    b.set(index, i.add(1));
    b.if(i.ltU(7), () => b.continue(again));
  });
  return b.get(tags);
});

/** The abridged tags, a bit a register, of a full tag word. */
function abridgedTags(tags: Val): Val {
  const empty = tags.and(tags.shrU(1)).and(0x5555);
  const pairs = empty.or(empty.shrU(1)).and(0x3333);
  const nibbles = pairs.or(pairs.shrU(2)).and(0x0f0f);
  return nibbles.or(nibbles.shrU(4)).and(0xff).xor(0xff);
}

/** The last four fields of an image: instruction offset, selector with opcode, data offset, selector. */
function pointerFields(b: Builder, size: 16 | 32): Val[] {
  const [fip, fdp] = [getField(b, STATE.fip).wrap(), getField(b, STATE.fdp).wrap()];
  const [fcs, fds, fop] = [getField(b, STATE.fcs), getField(b, STATE.fds), getField(b, STATE.fop)];
  const real = isRealForm(b);
  if (size === 16) {
    const upper = (address: Val) => address.shrU(4).and(0xf000);
    return [fip, upper(fip).or(fop).selectIf(real, fcs), fdp, upper(fdp).selectIf(real, fds)];
  }
  const upper = (address: Val) => address.shrU(4).and(0xffff000);
  const lowWord = (address: Val) => address.or(0xffff0000);
  return [
    lowWord(fip).selectIf(real, fip),
    upper(fip)
      .or(fop)
      .selectIf(real, fcs.or(fop.shl(16))),
    lowWord(fdp).selectIf(real, fdp),
    upper(fdp).selectIf(real, fds.or(0xffff0000)),
  ];
}

/** Fields of an environment, in bytes each, and the bits above a 16-bit field. */
function layout(size: 16 | 32): { bytes: 2 | 4; filler: number } {
  return size === 16 ? { bytes: 2, filler: 0 } : { bytes: 4, filler: 0xffff0000 };
}

function defineStoreEnvironment(size: 16 | 32): IrHelper {
  const { bytes, filler } = layout(size);
  const shape = { params: ['i64', 'i32'], mayFault: true } as const;
  return defineHelper(`x87StoreEnvironment${size}`, shape, (b, address, segment) => {
    const words = [getField(b, STATE.fcw), statusWord(b), b.call(fullTags)].map((word) => word.or(filler));
    const fields = [...words, ...pointerFields(b, size)];
    for (const [i, field] of fields.entries()) storeAt({ b, address, segment }, bytes, i * bytes, field);
  });
}

/** Sets FIP, FDP and what goes with them from the last four fields of an image. */
function setPointers(b: Builder, size: 16 | 32, [fip, code, fdp, data]: readonly Val[]): void {
  const real = isRealForm(b);
  const joined = (low: Val, high: Val) => low.and(0xffff).or(high.and(0xffff000).shl(4));
  const half = (low: Val, high: Val) => low.or(high.and(0xf000).shl(4));
  const join = size === 16 ? half : joined;
  const opcode = size === 16 ? b.i32(0) : code.shrU(16);
  setField(b, STATE.fip, join(fip, code).selectIf(real, fip).extU());
  setField(b, STATE.fdp, join(fdp, data).selectIf(real, fdp).extU());
  setField(b, STATE.fop, code.selectIf(real, opcode).and(0x7ff));
}

function defineLoadEnvironment(size: 16 | 32): IrHelper {
  const { bytes } = layout(size);
  const shape = { params: ['i64', 'i32'], mayFault: true } as const;
  return defineHelper(`x87LoadEnvironment${size}`, shape, (b, address, segment) => {
    const fields = Array.from({ length: 7 }, (_, i) => loadAt({ b, address, segment }, bytes, i * bytes));
    restoreControlAndStatus(b, fields[0], fields[1]);
    setField(b, STATE.ftw, abridgedTags(fields[2]));
    setPointers(b, size, fields.slice(3));
  });
}

const STORE_ENVIRONMENT = { 16: defineStoreEnvironment(16), 32: defineStoreEnvironment(32) };
const LOAD_ENVIRONMENT = { 16: defineLoadEnvironment(16), 32: defineLoadEnvironment(32) };

/** Visits ST0 to ST7: the register's address, without {@link X87}, and its offset in an image. */
function forEachRegister(b: Builder, visit: (slot: Val, offset: Val) => void): void {
  const index = b.variable('i32', 0);
  b.loop((again) => {
    const i = b.get(index);
    const register = getField(b, STATE.top).add(i).and(7);
    visit(b.cpu.add(register.shl(4)), i.mul(REGISTER_BYTES).extU());
    b.set(index, i.add(1));
    b.if(i.ltU(7), () => b.continue(again));
  });
}

/** A register is stored by words: nothing more than their alignment is asked for. */
const storeRegisters = defineHelper(
  'x87StoreRegisters',
  { params: ['i64', 'i32'], mayFault: true },
  (b, address, segment) => {
    forEachRegister(b, (slot, offset) => {
      for (let at = 0; at < REGISTER_BYTES; at += 2) {
        storeAt({ b, address, segment }, 2, offset.add(at), b.load('i32', 2, slot, X87 + at));
      }
    });
  },
);

const loadRegisters = defineHelper(
  'x87LoadRegisters',
  { params: ['i64', 'i32'], mayFault: true },
  (b, address, segment) => {
    forEachRegister(b, (slot, offset) => {
      for (let at = 0; at < REGISTER_BYTES; at += 2) {
        b.store(2, slot, X87 + at, loadAt({ b, address, segment }, 2, offset.add(at)));
      }
    });
  },
);

/** The image's linear address, after its first and last byte have been found accessible. */
function accessible(l: Lift, bytes: number, forWrite: boolean): Val {
  const address = l.address(bytes, forWrite);
  const last = address.add(bytes - 1).and(l.get(STATE.linearMask));
  l.b.guestLoad('i32', 1, address, l.segment(), forWrite);
  l.b.guestLoad('i32', 1, last, l.segment(), forWrite);
  l.markRecord();
  return address;
}

/** Operand size of an image: 64-bit code has that of 32 bits. */
function imageSize(l: Lift): 16 | 32 {
  return l.size === 16 ? 16 : 32;
}

function storeEnvironment(l: Lift): void {
  startControl(l);
  const size = imageSize(l);
  const address = accessible(l, ENVIRONMENT_BYTES[size], true);
  l.b.call(STORE_ENVIRONMENT[size], address, l.segment());
  restoreControlAndStatus(l.b, l.get(STATE.fcw).or(0x3f), statusWord(l.b));
}

function loadEnvironment(l: Lift): void {
  startWaiting(l);
  const size = imageSize(l);
  const address = accessible(l, ENVIRONMENT_BYTES[size], false);
  l.b.call(LOAD_ENVIRONMENT[size], address, l.segment());
}

/** FNSAVE and FRSTOR: the environment, then the eight registers. */
function withRegisters(size: 16 | 32): number {
  return ENVIRONMENT_BYTES[size] + 8 * REGISTER_BYTES;
}

const save: Semantics = (l) => {
  startControl(l);
  const size = imageSize(l);
  const address = accessible(l, withRegisters(size), true);
  l.b.call(STORE_ENVIRONMENT[size], address, l.segment());
  l.b.call(storeRegisters, address.add(ENVIRONMENT_BYTES[size]), l.segment());
  l.b.call(initialize);
};

const restore: Semantics = (l) => {
  startWaiting(l);
  const size = imageSize(l);
  const address = accessible(l, withRegisters(size), false);
  l.b.call(LOAD_ENVIRONMENT[size], address, l.segment());
  l.b.call(loadRegisters, address.add(ENVIRONMENT_BYTES[size]), l.segment());
};

export const X87_ENVIRONMENT: SemanticsTable = {
  fnstenv: storeEnvironment,
  fldenv: loadEnvironment,
  fnsave: save,
  frstor: restore,
};
