import type { Val } from '../../ir/val.ts';
import type { Field } from '../layout.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { CR4, FLAG, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE, VECTOR_OF } from '../registers.ts';
import type { SystemCall } from '../system-calls.ts';
import {
  aboveIopl,
  leaveToNext,
  notCanonical,
  requireNoUmip,
  requireProtectedMode,
  segmentRecord,
  selectorOf,
  systemFlags,
} from './common.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;

/** EDX:EAX. */
function edxEax(l: Lift): Val {
  return l.gpr(RDX, 32).extU().shl(32).or(l.gpr(RAX, 32).extU());
}

function setEdxEax(l: Lift, value: Val): void {
  l.setGpr(RAX, 32, value.wrap());
  l.setGpr(RDX, 32, value.shrU(32).wrap());
}

function ecx(l: Lift): Val {
  return l.gpr(RCX, 32).extU();
}

/** An i64 as an operand of `width` bits is written. */
function narrowed(value: Val, width: number): Val {
  return width === 64 ? value : value.wrap();
}

const cli: Semantics = (l) => {
  l.b.if(
    aboveIopl(l),
    () => l.system('cli'),
    () => l.set(STATE.eflags, l.get(STATE.eflags).and(~FLAG.IF)),
  );
};

/**
 * Interrupts stay held off for the next instruction (SDM 2, STI). Where none waits, none can come before that but at the
 * end of a slice: whoever runs slices finds in the state block where that instruction is.
 */
const sti: Semantics = (l) => {
  l.b.if(aboveIopl(l).or(l.get(STATE.interruptWaits)), () => l.systemLeave('sti'));
  l.b.if(systemFlags(l, FLAG.IF).eqz(), () => {
    l.set(STATE.eflags, l.get(STATE.eflags).or(FLAG.IF));
    l.set(STATE.stiBudget, l.get(STATE.budget));
  });
};

const hlt: Semantics = (l) => {
  l.requireRing0();
  l.systemLeave('hlt');
};

/** A processor that spins lets others run, so that what it waits for happens. */
const pause: Semantics = (l) => {
  l.b.if(l.get(STATE.pauseYields), () => l.systemLeave('pause'));
};

/** SGDT and SIDT: all bytes of the base are stored, whatever the operand size. */
function storeTable(limit: typeof STATE.gdtrLimit, base: typeof STATE.gdtrBase): Semantics {
  return (l) => {
    requireNoUmip(l);
    const bytes = l.shape.bits === 64 ? 8 : 4;
    const segment = l.segment();
    l.b.guestStore(2, l.address(2, true), segment, l.get(limit));
    l.b.guestStore(bytes, l.address(bytes, true, 2), segment, l.get(base));
  };
}

/** LGDT and LIDT: 16-bit operands have 24 bits of base (SDM 2A). */
function loadTable(limit: typeof STATE.gdtrLimit, base: typeof STATE.gdtrBase): Semantics {
  return (l) => {
    l.requireRing0();
    const bytes = l.shape.bits === 64 ? 8 : 4;
    const segment = l.segment();
    const newLimit = l.b.guestLoad('i32', 2, l.address(2, false), segment);
    const loaded = l.b.guestLoad('i64', bytes, l.address(bytes, false, 2), segment);
    if (bytes === 8) l.raiseIf(notCanonical(loaded), VECTOR_OF.GP);
    l.set(limit, newLimit);
    l.set(base, bytes === 4 && l.size === 16 ? loaded.and(0xffffff) : loaded);
  };
}

/** SLDT and STR. */
function storeSelector(segment: number): Semantics {
  return (l) => {
    requireProtectedMode(l);
    requireNoUmip(l);
    const selector = selectorOf(l, l.b.i32(segment));
    l.write(0, l.width(0) === 64 ? selector.extU() : selector);
  };
}

/** LLDT and LTR. */
function loadSystemSegment(name: SystemCall): Semantics {
  return (l) => {
    requireProtectedMode(l);
    l.requireRing0();
    l.system(name, l.read(0).extU());
  };
}

/** VERR and VERW. */
function verify(name: SystemCall): Semantics {
  return (l) => {
    requireProtectedMode(l);
    l.flags.write('ZF', l.system(name, l.read(0).extU()).wrap());
  };
}

/** LAR and LSL: bit 32 of the helper's result tells whether there is a value. */
function inspect(name: SystemCall): Semantics {
  return (l) => {
    requireProtectedMode(l);
    const found = l.system(name, l.read(1).extU().and(0xffff));
    const valid = found.shrU(32).wrap();
    const w = l.width(0);
    l.b.if(valid, () => l.write(0, w === 64 ? found.and(0xffffffffn) : found.wrap()));
    l.flags.write('ZF', valid);
  };
}

/** The destination need not be writable where its RPL is high enough already. */
const arpl: Semantics = (l) => {
  requireProtectedMode(l);
  const destination = l.read(0);
  const rpl = l.read(1).and(3);
  const lower = destination.and(3).ltU(rpl);
  l.b.if(lower, () => l.write(0, destination.and(~3).or(rpl)));
  l.flags.write('ZF', lower);
};

const smsw: Semantics = (l) => {
  requireNoUmip(l);
  l.write(0, narrowed(l.get(STATE.cr0), l.width(0)));
};

const lmsw: Semantics = (l) => {
  l.requireRing0();
  l.systemLeave('lmsw', l.read(0).extU());
};

const clts: Semantics = (l) => {
  l.requireRing0();
  l.systemLeave('writeCr', 0, l.get(STATE.cr0).and(~8n));
};

/** The linear address of the memory operand without any check. */
function uncheckedAddress(l: Lift): Val {
  const ea = l.effectiveAddress();
  if (l.shape.flat) return ea;
  const base = l.b.load('i64', 8, segmentRecord(l, l.segment()), SEGMENTS + SEGMENT.base);
  return l.truncate(ea.add(base), l.shape.bits === 64 ? 64 : 32);
}

const invlpg: Semantics = (l) => {
  l.requireRing0();
  l.system('invlpg', uncheckedAddress(l));
  leaveToNext(l);
};

const invpcid: Semantics = (l) => {
  l.requireRing0();
  const segment = l.segment();
  const pcid = l.b.guestLoad('i64', 8, l.address(8, false), segment);
  const address = l.b.guestLoad('i64', 8, l.address(8, false, 8), segment);
  const type = l.read(0).extU();
  l.set(STATE.scratch0, pcid);
  l.system('invpcid', type, address);
  leaveToNext(l);
};

/** Control registers 0, 2, 3 and 4 lie side by side in the state block; 8 is the task priority. */
const movcr: Semantics = (l) => {
  l.requireRing0();
  const first = l.shape.operands[0];
  if (first.kind === 'reg' && first.cls === 'cr') {
    l.systemLeave('writeCr', l.registerNumber(0).extU(), l.read(1).extU());
    return;
  }
  const number = l.registerNumber(1);
  const place = number.sub(number.nez()).mul(8);
  const value = l.b.choose(
    'i64',
    number.eq(8),
    () => l.system('readCr8'),
    () => l.b.load('i64', 8, l.b.cpu.add(place), STATE.cr0.offset),
  );
  l.write(0, narrowed(value, l.width(0)));
};

const movdr: Semantics = (l) => {
  l.requireRing0();
  const first = l.shape.operands[0];
  if (first.kind === 'reg' && first.cls === 'dr') {
    l.systemLeave('writeDr', l.registerNumber(0).extU(), l.read(1).extU());
    return;
  }
  l.write(0, narrowed(l.system('readDr', l.registerNumber(1).extU()), l.width(0)));
};

const rdmsr: Semantics = (l) => {
  l.requireRing0();
  setEdxEax(l, l.system('rdmsr', ecx(l)));
};

const wrmsr: Semantics = (l) => {
  l.requireRing0();
  l.systemLeave('wrmsr', ecx(l), edxEax(l));
};

/** The time-stamp counter, i64, from the state block where that says enough: see `STATE.quickTsc`. */
function timeStamp(l: Lift): Val {
  const f64 = (field: Field) => l.b.load('f64', 8, l.b.cpu, field.offset);
  const count = (value: Val) => l.b.op('f64.convert_i32_s', value);
  const guarded = l.get(STATE.cr4).wrap().and(CR4.TSD).nez().and(l.get(STATE.cpl).nez());
  return l.b.choose(
    'i64',
    l.get(STATE.quickTsc).and(guarded.eqz()),
    () => {
      const left = l.b.op('f64.add', count(l.get(STATE.budget)), count(l.unexecuted()));
      const run = l.b.op('f64.sub', f64(STATE.tscRun), left);
      const passed = l.b.op('i64.trunc_sat_f64_s', l.b.op('f64.mul', run, f64(STATE.tscRate)));
      const now = l.get(STATE.tscOrigin).add(passed);
      const least = l.get(STATE.tscLeast);
      return now.selectIf(now.sub(least).gtS(0), least);
    },
    () => l.system('rdtsc'),
  );
}

const rdtscp: Semantics = (l) => {
  setEdxEax(l, timeStamp(l));
  l.setGpr(RCX, 32, l.get(STATE.tscAux).wrap());
};

const cpuid: Semantics = (l) => {
  l.system('cpuid', l.gpr(RAX, 32).extU(), ecx(l));
};

/** XCR0 is the only one. */
function requireXsave(l: Lift): void {
  l.raiseIf(l.get(STATE.cr4).wrap().and(CR4.OSXSAVE).eqz(), VECTOR_OF.UD);
}

const xgetbv: Semantics = (l) => {
  requireXsave(l);
  l.raiseIf(l.gpr(RCX, 32).nez(), VECTOR_OF.GP);
  setEdxEax(l, l.get(STATE.xcr0));
};

const xsetbv: Semantics = (l) => {
  requireXsave(l);
  l.requireRing0();
  l.systemLeave('xsetbv', ecx(l), edxEax(l));
};

const segmentBase = (segment: number) => SEGMENTS + segment * SEGMENT_BYTES + SEGMENT.base;

const swapgs: Semantics = (l) => {
  l.requireRing0();
  const base = l.b.load('i64', 8, l.b.cpu, segmentBase(SEG.GS));
  const other = l.get(STATE.kernelGsBase);
  l.b.store(8, l.b.cpu, segmentBase(SEG.GS), other);
  l.set(STATE.kernelGsBase, base);
};

function requireFsgsbase(l: Lift): void {
  l.raiseIf(l.get(STATE.cr4).wrap().and(CR4.FSGSBASE).eqz(), VECTOR_OF.UD);
}

function readBase(segment: number): Semantics {
  return (l) => {
    requireFsgsbase(l);
    l.write(0, narrowed(l.b.load('i64', 8, l.b.cpu, segmentBase(segment)), l.width(0)));
  };
}

function writeBase(segment: number): Semantics {
  return (l) => {
    requireFsgsbase(l);
    const base = l.read(0).extU();
    l.raiseIf(notCanonical(base), VECTOR_OF.GP);
    l.b.store(8, l.b.cpu, segmentBase(segment), base);
  };
}

/** STAC and CLAC: EFLAGS.AC decides which translations the supervisor may use. */
function setAc(ac: boolean): Semantics {
  return (l) => {
    l.raiseIf(l.get(STATE.cpl).nez(), VECTOR_OF.UD);
    const old = l.get(STATE.eflags);
    l.set(STATE.eflags, ac ? old.or(FLAG.AC) : old.and(~FLAG.AC));
    l.set(STATE.tlb, l.get(ac ? STATE.tlbAcSet : STATE.tlbAcClear));
  };
}

const monitor: Semantics = (l) => {
  l.raiseIf(l.get(STATE.cpl).nez(), VECTOR_OF.UD);
  l.raiseIf(l.gpr(RCX, 32).nez(), VECTOR_OF.GP);
  const ea = l.gpr(RAX, l.shape.addressSize).extU();
  const segment = l.segment();
  const address = l.linear(segment, ea, 1, false, l.shape.flat);
  l.b.guestLoad('i32', 1, address, segment);
  l.system('monitor', address);
};

const mwait: Semantics = (l) => {
  l.raiseIf(l.get(STATE.cpl).nez(), VECTOR_OF.UD);
  l.raiseIf(l.gpr(RCX, 32).gtU(1), VECTOR_OF.GP);
  l.systemLeave('mwait', l.gpr(RAX, 32).extU(), ecx(l));
};

/** RDRAND and RDSEED always have a number: CF set, the other flags clear. */
const rdrand: Semantics = (l) => {
  l.write(0, narrowed(l.system('rdrand'), l.width(0)));
  l.flags.writeWord(l.b.i32(FLAG.CF));
};

/** Reads a byte for its faults. */
const clflush: Semantics = (l) => {
  l.b.guestLoad('i32', 1, l.address(1, false), l.segment());
};

const nop: Semantics = () => {};

/** System instructions. State saving (FXSAVE, XSAVE) is with the x87. */
export const SYSTEM_SEMANTICS: SemanticsTable = {
  cli,
  sti,
  hlt,
  pause,
  arpl,
  sldt: storeSelector(SEG.LDTR),
  str: storeSelector(SEG.TR),
  lldt: loadSystemSegment('lldt'),
  ltr: loadSystemSegment('ltr'),
  verr: verify('verr'),
  verw: verify('verw'),
  lar: inspect('lar'),
  lsl: inspect('lsl'),
  sgdt: storeTable(STATE.gdtrLimit, STATE.gdtrBase),
  sidt: storeTable(STATE.idtrLimit, STATE.idtrBase),
  lgdt: loadTable(STATE.gdtrLimit, STATE.gdtrBase),
  lidt: loadTable(STATE.idtrLimit, STATE.idtrBase),
  smsw,
  lmsw,
  clts,
  invlpg,
  invpcid,
  movcr,
  movdr,
  rdmsr,
  wrmsr,
  rdtsc: (l) => setEdxEax(l, timeStamp(l)),
  rdtscp,
  rdpmc: (l) => setEdxEax(l, l.system('rdpmc', ecx(l))),
  cpuid,
  xgetbv,
  xsetbv,
  swapgs,
  rdfsbase: readBase(SEG.FS),
  rdgsbase: readBase(SEG.GS),
  wrfsbase: writeBase(SEG.FS),
  wrgsbase: writeBase(SEG.GS),
  stac: setAc(true),
  clac: setAc(false),
  monitor,
  mwait,
  rdrand,
  rdseed: rdrand,
  clflush,
  invd: (l) => l.requireRing0(),
  wbinvd: (l) => l.requireRing0(),
  lfence: nop,
  mfence: nop,
  sfence: nop,
  rsm: (l) => l.raise(VECTOR_OF.UD),
};
