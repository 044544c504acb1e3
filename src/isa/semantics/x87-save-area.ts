import type { Builder } from '../../ir/builder.ts';
import { defineHelper, type IrHelper } from '../../ir/define.ts';
import type { Access } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { raiseIn } from '../memory.ts';
import { CR0, CR4, STATE, VECTOR, VECTOR_OF, X87, X87_EXPONENT } from '../registers.ts';
import { getField, setField, startControl } from './x87-stack.ts';
import { initialize, restoreControlAndStatus, statusWord } from './x87-status.ts';

/**
 * FXSAVE and XSAVE and their restores: the image of 512 bytes (SDM 1, 10.5.1), and the XSAVE header behind it
 * (SDM 1, 13.4), standard form. Both components, x87 and SSE, always count as in use.
 */

/** Offsets in the image of 512 bytes. */
const IMAGE = {
  fcw: 0,
  fsw: 2,
  ftw: 4,
  fop: 6,
  fip: 8,
  fcs: 12,
  fdp: 16,
  fds: 20,
  mxcsr: 24,
  st: 32,
  xmm: 160,
} as const;
const IMAGE_BYTES = 512;
/** Offsets of the header's words, and the area's bytes. */
const HEADER = { xstateBv: 512, xcompBv: 520, reserved: 528 } as const;
const AREA_BYTES = 576;
/** MXCSR_MASK: all bits that MXCSR has. */
const MXCSR_MASK = 0xffff;
/** Bits of XCR0: the state components. */
const COMPONENT = { x87: 1, sse: 2 } as const;

/** How an image is written and read: the pointers have 64 bits with REX.W, and 64-bit code has 16 XMM registers. */
interface Form {
  readonly wide: boolean;
  readonly registers: 8 | 16;
}

/** A place in guest memory; its bytes are known to be accessible. */
interface Image {
  readonly b: Builder;
  readonly address: Val;
  readonly segment: Val;
}

function at({ b, address }: Image, offset: number | Val): Val {
  return address.add(offset).and(getField(b, STATE.linearMask));
}
function put(image: Image, bytes: Access['bytes'], offset: number | Val, value: Val): void {
  image.b.guestStore(bytes, at(image, offset), image.segment, value);
}
function take(image: Image, type: 'i32' | 'i64' | 'v128', bytes: Access['bytes'], offset: number | Val): Val {
  return image.b.guestLoad(type, bytes, at(image, offset), image.segment);
}

/** Visits the registers of a bank: number, and its offset in the image (i64) where the bank is at `start`. */
function forEachRegister(b: Builder, count: number, start: number, visit: (index: Val, offset: Val) => void): void {
  const next = b.variable('i32', 0);
  b.loop((again) => {
    const index = b.get(next);
    visit(index, index.shl(4).add(start).extU());
    b.set(next, index.add(1));
    b.if(index.ltU(count - 1), () => b.continue(again));
  });
}

function savePointers(image: Image, wide: boolean): void {
  const { b } = image;
  const [fip, fdp] = [getField(b, STATE.fip), getField(b, STATE.fdp)];
  if (wide) {
    put(image, 8, IMAGE.fip, fip);
    put(image, 8, IMAGE.fdp, fdp);
    return;
  }
  put(image, 4, IMAGE.fip, fip.wrap());
  put(image, 4, IMAGE.fcs, getField(b, STATE.fcs));
  put(image, 4, IMAGE.fdp, fdp.wrap());
  put(image, 4, IMAGE.fds, getField(b, STATE.fds));
}

function restorePointers(image: Image, wide: boolean): void {
  const { b } = image;
  const bytes = wide ? 8 : 4;
  setField(b, STATE.fip, take(image, 'i64', bytes, IMAGE.fip));
  setField(b, STATE.fdp, take(image, 'i64', bytes, IMAGE.fdp));
}

/** Address of ST(index), without {@link X87}. */
function stackSlot(b: Builder, index: Val): Val {
  return b.cpu.add(getField(b, STATE.top).add(index).and(7).shl(4));
}

function saveX87(image: Image, form: Form): void {
  const { b } = image;
  put(image, 4, IMAGE.fcw, getField(b, STATE.fcw).or(statusWord(b).shl(16)));
  put(image, 4, IMAGE.ftw, getField(b, STATE.ftw).or(getField(b, STATE.fop).shl(16)));
  savePointers(image, form.wide);
  forEachRegister(b, 8, IMAGE.st, (index, offset) => {
    const slot = stackSlot(b, index);
    put(image, 8, offset, b.load('i64', 8, slot, X87));
    put(image, 8, offset.add(8), b.load('i64', 2, slot, X87 + X87_EXPONENT));
  });
}

function restoreX87(image: Image, form: Form): void {
  const { b } = image;
  restoreControlAndStatus(b, take(image, 'i32', 2, IMAGE.fcw), take(image, 'i32', 2, IMAGE.fsw));
  setField(b, STATE.ftw, take(image, 'i32', 1, IMAGE.ftw));
  setField(b, STATE.fop, take(image, 'i32', 2, IMAGE.fop).and(0x7ff));
  restorePointers(image, form.wide);
  forEachRegister(b, 8, IMAGE.st, (index, offset) => {
    const slot = stackSlot(b, index);
    b.store(8, slot, X87, take(image, 'i64', 8, offset));
    b.store(2, slot, X87 + X87_EXPONENT, take(image, 'i32', 2, offset.add(8)));
  });
}

function saveMxcsr(image: Image): void {
  put(image, 4, IMAGE.mxcsr, getField(image.b, STATE.mxcsr));
  put(image, 4, IMAGE.mxcsr + 4, image.b.i32(MXCSR_MASK));
}

/** Address of XMM register `index`, without {@link VECTOR}. */
function vectorSlot(b: Builder, index: Val): Val {
  return b.cpu.add(index.shl(6));
}

function saveXmm(image: Image, form: Form): void {
  const { b } = image;
  forEachRegister(b, form.registers, IMAGE.xmm, (index, offset) => {
    put(image, 16, offset, b.load('v128', 16, vectorSlot(b, index), VECTOR));
  });
}

function restoreXmm(image: Image, form: Form): void {
  const { b } = image;
  forEachRegister(b, form.registers, IMAGE.xmm, (index, offset) => {
    b.store(16, vectorSlot(b, index), VECTOR, take(image, 'v128', 16, offset));
  });
}

function clearXmm(b: Builder, form: Form): void {
  forEachRegister(b, form.registers, 0, (index) => b.store(16, vectorSlot(b, index), VECTOR, b.const('v128', 0)));
}

/** MXCSR of the image; #GP(0) for a reserved bit. */
function takeMxcsr(image: Image): Val {
  const mxcsr = take(image, 'i32', 4, IMAGE.mxcsr);
  image.b.if(mxcsr.and(~MXCSR_MASK), () => raiseIn(image.b, VECTOR_OF.GP, 0));
  return mxcsr;
}

const SHAPE = { params: ['i64', 'i32', 'i64'], mayFault: true } as const;

/** Names by form: helpers are one a form. */
const nameOf = (name: string, form: Form) => `${name}${form.wide ? 'Wide' : ''}${form.registers}`;

function defineFxsave(form: Form): IrHelper {
  return defineHelper(nameOf('fxsave', form), SHAPE, (b, address, segment) => {
    const image = { b, address, segment };
    saveX87(image, form);
    saveMxcsr(image);
    saveXmm(image, form);
  });
}

function defineFxrstor(form: Form): IrHelper {
  return defineHelper(nameOf('fxrstor', form), SHAPE, (b, address, segment) => {
    const image = { b, address, segment };
    setField(b, STATE.mxcsr, takeMxcsr(image));
    restoreX87(image, form);
    restoreXmm(image, form);
  });
}

/** (address, segment, components requested and enabled) */
function defineXsave(form: Form): IrHelper {
  return defineHelper(nameOf('xsave', form), SHAPE, (b, address, segment, requested) => {
    const image = { b, address, segment };
    const before = take(image, 'i64', 8, HEADER.xstateBv);
    b.if(requested.wrap().and(COMPONENT.x87), () => saveX87(image, form));
    b.if(requested.wrap().and(COMPONENT.sse), () => {
      saveMxcsr(image);
      saveXmm(image, form);
    });
    put(image, 8, HEADER.xstateBv, before.or(requested));
  });
}

/** #GP(0) for a header that the standard form does not allow (SDM 1, 13.8.1). */
function checkHeader(image: Image): Val {
  const { b } = image;
  const present = take(image, 'i64', 8, HEADER.xstateBv);
  const unknown = present.and(getField(b, STATE.xcr0).not());
  const compacted = take(image, 'i64', 8, HEADER.xcompBv).or(take(image, 'i64', 8, HEADER.reserved));
  b.if(unknown.or(compacted).nez(), () => raiseIn(b, VECTOR_OF.GP, 0));
  return present.wrap();
}

/** (address, segment, components requested and enabled). What the header does not have gets its initial state. */
function defineXrstor(form: Form): IrHelper {
  return defineHelper(nameOf('xrstor', form), SHAPE, (b, address, segment, requested) => {
    const image = { b, address, segment };
    const present = checkHeader(image);
    const wanted = requested.wrap();
    b.if(wanted.and(COMPONENT.sse), () => {
      setField(b, STATE.mxcsr, takeMxcsr(image));
      b.if(
        present.and(COMPONENT.sse),
        () => restoreXmm(image, form),
        () => clearXmm(b, form),
      );
    });
    b.if(wanted.and(COMPONENT.x87), () => {
      b.if(
        present.and(COMPONENT.x87),
        () => restoreX87(image, form),
        () => initializeX87(b),
      );
    });
  });
}

/** The initial state of the x87 component: FNINIT's, and registers of zero. */
function initializeX87(b: Builder): void {
  b.call(initialize);
  b.memoryFill(b.cpu.add(X87), b.i32(0), b.i32(8 * 16));
}

/** The helpers of one instruction by form. */
function byForm(define: (form: Form) => IrHelper): (form: Form) => IrHelper {
  const forms: readonly Form[] = [
    { wide: false, registers: 8 },
    { wide: false, registers: 16 },
    { wide: true, registers: 16 },
  ];
  const helpers = forms.map((form) => ({ form, helper: define(form) }));
  return ({ wide, registers }) => {
    const found = helpers.find(({ form }) => form.wide === wide && form.registers === registers);
    if (found === undefined) throw new Error('there is no such form of a state image');
    return found.helper;
  };
}

function formOf(l: Lift): Form {
  const long = l.shape.bits === 64;
  return { wide: long && l.size === 64, registers: long ? 16 : 8 };
}

/** The image's linear address: aligned, and its first and last byte accessible. */
function imageAddress(l: Lift, bytes: number, alignment: number, forWrite: boolean): Val {
  const address = l.address(bytes, forWrite);
  l.requireAligned(address, alignment);
  const last = address.add(bytes - 1).and(l.get(STATE.linearMask));
  l.b.guestLoad('i32', 1, address, l.segment(), forWrite);
  l.b.guestLoad('i32', 1, last, l.segment(), forWrite);
  l.markRecord();
  return address;
}

/** FXSAVE and FXRSTOR. They do not wait for a pending exception. */
function imageInstruction(helper: (form: Form) => IrHelper, forWrite: boolean): Semantics {
  return (l) => {
    startControl(l);
    const address = imageAddress(l, IMAGE_BYTES, 16, forWrite);
    l.b.call(helper(formOf(l)), address, l.segment(), 0);
  };
}

/** XSAVE, XSAVEOPT and XRSTOR: of the components in EDX:EAX, those that XCR0 enables. */
function areaInstruction(helper: (form: Form) => IrHelper, forWrite: boolean): Semantics {
  return (l) => {
    l.raiseIf(l.get(STATE.cr4).wrap().and(CR4.OSXSAVE).eqz(), VECTOR_OF.UD);
    l.raiseIf(l.get(STATE.cr0).wrap().and(CR0.TS), VECTOR_OF.NM);
    const asked = l.gpr(2, 32).extU().shl(32).or(l.gpr(0, 32).extU());
    const address = imageAddress(l, AREA_BYTES, 64, forWrite);
    l.b.call(helper(formOf(l)), address, l.segment(), asked.and(l.get(STATE.xcr0)));
  };
}

const xsave = areaInstruction(byForm(defineXsave), true);

/** XSAVEOPT may leave out what has not changed; it never does here. */
export const SAVE_AREA_SEMANTICS: SemanticsTable = {
  fxsave: imageInstruction(byForm(defineFxsave), true),
  fxrstor: imageInstruction(byForm(defineFxrstor), false),
  xsave,
  xsaveopt: xsave,
  xrstor: areaInstruction(byForm(defineXrstor), false),
};
