import type { Vcpu } from '../../cpu/vcpu.ts';
import type { Field } from '../../isa/layout.ts';
import { EFER, SEG, STATE, X87, X87_EXPONENT } from '../../isa/registers.ts';

/** A register as GDB knows it. */
export interface GdbRegister {
  readonly name: string;
  readonly bits: number;
  /** A type of GDB's target descriptions. */
  readonly type: string;
  readonly group?: 'float' | 'vector';
  read(vcpu: Vcpu): bigint;
  /** Absent: it cannot be set. */
  readonly write?: (vcpu: Vcpu, value: bigint) => void;
}

/** The registers of a description, by its features. */
export interface RegisterSet {
  readonly architecture: 'i386' | 'i386:x86-64';
  readonly features: readonly (readonly [name: string, registers: readonly GdbRegister[]])[];
}

const NAMES_32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
/** In the order of `org.gnu.gdb.i386.core`: name and number in an instruction. */
const NAMES_64: readonly (readonly [string, number])[] = [
  ['rax', 0],
  ['rbx', 3],
  ['rcx', 1],
  ['rdx', 2],
  ['rsi', 6],
  ['rdi', 7],
  ['rbp', 5],
  ['rsp', 4],
  ...Array.from({ length: 8 }, (_, n) => [`r${n + 8}`, n + 8] as const),
];
const SEGMENT_NAMES: readonly (readonly [string, number])[] = [
  ['cs', SEG.CS],
  ['ss', SEG.SS],
  ['ds', SEG.DS],
  ['es', SEG.ES],
  ['fs', SEG.FS],
  ['gs', SEG.GS],
];

function general(name: string, number: number, bits: 32 | 64): GdbRegister {
  const type = number === 4 || number === 5 ? 'data_ptr' : bits === 64 ? 'int64' : 'int32';
  return {
    name,
    bits,
    type,
    read: ({ state }) => BigInt.asUintN(bits, state.gpr(number)),
    write: ({ state }, value) => state.setGpr(number, value),
  };
}

/** A register that the state block has as a field. */
function field(name: string, of: Field, bits: 32 | 64, type = bits === 64 ? 'int64' : 'int32'): GdbRegister {
  return {
    name,
    bits,
    type,
    read: ({ state }) => BigInt.asUintN(bits, of.bytes === 8 ? state.u64(of) : BigInt(state.u32(of))),
    write: ({ state }, value) => {
      if (of.bytes === 8) state.setU64(of, value);
      else state.setU32(of, Number(value));
    },
  };
}

const FLAGS: GdbRegister = {
  name: 'eflags',
  bits: 32,
  type: 'i386_eflags',
  read: ({ state }) => BigInt(state.eflags),
  write: ({ state }, value) => {
    state.eflags = Number(value);
  },
};

function selector([name, index]: readonly [string, number]): GdbRegister {
  return { name, bits: 32, type: 'int32', read: ({ state }) => BigInt(state.segment(index).selector) };
}

function segmentBase(name: string, index: number, bits: 32 | 64): GdbRegister {
  return {
    name,
    bits,
    type: bits === 64 ? 'int64' : 'int32',
    read: ({ state }) => BigInt.asUintN(bits, state.segment(index).base),
    write: ({ state }, base) => state.setSegment(index, { ...state.segment(index), base }),
  };
}

function systemRegisters(bits: 32 | 64): GdbRegister[] {
  return [
    segmentBase('fs_base', SEG.FS, bits),
    segmentBase('gs_base', SEG.GS, bits),
    field('k_gs_base', STATE.kernelGsBase, bits),
    field('cr0', STATE.cr0, bits),
    field('cr2', STATE.cr2, bits),
    field('cr3', STATE.cr3, bits),
    field('cr4', STATE.cr4, bits),
    {
      name: 'cr8',
      bits,
      type: bits === 64 ? 'int64' : 'int32',
      read: ({ system }) => system.call('readCr8', 0n, 0n),
    },
    field('efer', STATE.efer, bits),
  ];
}

function stackRegister(n: number): GdbRegister {
  return {
    name: `st${n}`,
    bits: 80,
    type: 'i387_ext',
    read: ({ state }) => {
      const at = state.x87Offset(state.u32(STATE.top) + n);
      const high = state.view.getUint16(at + X87_EXPONENT, true);
      return state.view.getBigUint64(at, true) | (BigInt(high) << 64n);
    },
  };
}

/** The tag word, of which the processor keeps only what is empty (SDM 1, 8.1.7). */
function tagWord({ state }: Vcpu): bigint {
  let tags = 0;
  for (let n = 0; n < 8; n++) {
    const at = X87 + 16 * n;
    const exponent = state.view.getUint16(at + X87_EXPONENT, true) & 0x7fff;
    const significand = state.view.getBigUint64(at, true);
    const zero = exponent === 0 && significand === 0n;
    const valid = exponent !== 0 && exponent !== 0x7fff && significand >> 63n !== 0n;
    const tag = (state.u32(STATE.ftw) >> n) & 1 ? (zero ? 1 : valid ? 0 : 2) : 3;
    tags |= tag << (2 * n);
  }
  return BigInt(tags);
}

function floatControl(name: string, read: (vcpu: Vcpu) => bigint): GdbRegister {
  return { name, bits: 32, type: 'int', group: 'float', read: (vcpu) => BigInt.asUintN(32, read(vcpu)) };
}

const FLOAT: readonly GdbRegister[] = [
  ...Array.from({ length: 8 }, (_, n) => stackRegister(n)),
  floatControl('fctrl', ({ state }) => BigInt(state.u32(STATE.fcw))),
  floatControl('fstat', ({ state }) => BigInt(state.u32(STATE.fsw) | (state.u32(STATE.top) << 11))),
  floatControl('ftag', tagWord),
  floatControl('fiseg', ({ state }) => BigInt(state.u32(STATE.fcs))),
  floatControl('fioff', ({ state }) => state.u64(STATE.fip)),
  floatControl('foseg', ({ state }) => BigInt(state.u32(STATE.fds))),
  floatControl('fooff', ({ state }) => state.u64(STATE.fdp)),
  floatControl('fop', ({ state }) => BigInt(state.u32(STATE.fop))),
];

function vector(n: number): GdbRegister {
  return {
    name: `xmm${n}`,
    bits: 128,
    type: 'vec128',
    read: ({ state }) => {
      const at = state.vectorOffset(n);
      return state.view.getBigUint64(at, true) | (state.view.getBigUint64(at + 8, true) << 64n);
    },
    write: ({ state }, value) => {
      const at = state.vectorOffset(n);
      state.view.setBigUint64(at, BigInt.asUintN(64, value), true);
      state.view.setBigUint64(at + 8, value >> 64n, true);
    },
  };
}

function sse(count: number): GdbRegister[] {
  const control = { ...field('mxcsr', STATE.mxcsr, 32, 'i386_mxcsr'), group: 'vector' } as const;
  return [...Array.from({ length: count }, (_, n) => vector(n)), control];
}

const SET_32: RegisterSet = {
  architecture: 'i386',
  features: [
    [
      'org.gnu.gdb.i386.core',
      [
        ...NAMES_32.map((name, n) => general(name, n, 32)),
        field('eip', STATE.rip, 32, 'code_ptr'),
        FLAGS,
        ...SEGMENT_NAMES.map(selector),
        ...systemRegisters(32),
        ...FLOAT,
      ],
    ],
    ['org.gnu.gdb.i386.sse', sse(8)],
  ],
};

const SET_64: RegisterSet = {
  architecture: 'i386:x86-64',
  features: [
    [
      'org.gnu.gdb.i386.core',
      [
        ...NAMES_64.map(([name, n]) => general(name, n, 64)),
        field('rip', STATE.rip, 64, 'code_ptr'),
        FLAGS,
        ...SEGMENT_NAMES.map(selector),
        ...systemRegisters(64),
        ...FLOAT,
      ],
    ],
    ['org.gnu.gdb.i386.sse', sse(16)],
  ],
};

/** The registers of a processor in its present mode: 64-bit ones in long mode. */
export function registersFor({ state }: Vcpu): RegisterSet {
  return (state.low(STATE.efer) & EFER.LMA) !== 0 ? SET_64 : SET_32;
}
