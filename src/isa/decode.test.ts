import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, tryDecode } from './decode.ts';
import { OpcodeTable } from './decode-table.ts';
import type { Decoded } from './operands.ts';
import { printRow, ROWS } from './rows.ts';

const bytesOf = (hex: string): number[] => hex.split(' ').map((byte) => Number.parseInt(byte, 16));

function at(hex: string, bits: 16 | 32 | 64): Decoded | undefined {
  const bytes = bytesOf(hex);
  return decode((offset) => bytes[offset], { bits });
}

function rowText(hex: string, bits: 16 | 32 | 64): string | undefined {
  const row = at(hex, bits)?.row;
  return row && `${row.mnemonic} ${row.operandCodes.join(',')}`.trim();
}

test('every row printed from its fields equals its source', () => {
  for (const row of ROWS) assert.equal(printRow(row), row.text);
});

const UNDEFINED: [string, 16 | 32 | 64, string][] = [
  ['06', 64, 'PUSH ES in 64-bit mode'],
  ['82 C0 01', 64, 'the alias of group 1 in 64-bit mode'],
  ['F0 01 C8', 32, 'LOCK with a register destination'],
  ['F0 03 00', 32, 'LOCK where memory is only read'],
  ['F0 38 00', 32, 'LOCK CMP'],
  ['8E C8', 32, 'MOV to CS'],
  ['8E F0', 32, 'MOV to segment register 6'],
  ['0F 22 C8', 32, 'MOV to CR1'],
  ['44 0F 23 C0', 64, 'MOV to DR8'],
  ['8D C0', 32, 'LEA of a register'],
  ['FF F8', 32, 'FF /7'],
  ['C6 C8 00', 32, 'C6 /1'],
  ['62 C0', 32, 'BOUND of a register'],
  ['C5 F8 77', 64, 'VEX in 64-bit mode'],
  ['0F 38 FF C0', 64, 'an empty opcode'],
  ['F3 0F DB C1', 64, 'PAND with F3'],
  ['0F A6 C0', 64, 'an empty two-byte opcode'],
];

test('undefined encodings are reported as such', () => {
  for (const [hex, bits, what] of UNDEFINED) {
    const bytes = bytesOf(hex);
    assert.equal(tryDecode((offset) => bytes[offset] ?? 0, { bits }).kind, 'undefined', what);
  }
});

const NAMED: [string, 16 | 32 | 64, string][] = [
  ['90', 64, 'NOP'],
  ['41 90', 64, 'XCHG Zv,rAX'],
  ['F3 90', 64, 'PAUSE'],
  ['91', 64, 'XCHG Zv,rAX'],
  ['F3 0F B8 C1', 64, 'POPCNT Gv,Ev'],
  ['66 F3 0F 58 C1', 64, 'ADDSS Vss,Wss'],
  ['66 F2 0F 38 F1 C1', 64, 'CRC32 Gy,Ev'],
  ['66 48 0F 6E C1', 64, 'MOVQ Vdq,Eq'],
  ['48 66 0F 6E C1', 64, 'MOVD Vdq,Ed'],
  ['63 C1', 32, 'ARPL Ew,Gw'],
  ['48 63 C1', 64, 'MOVSXD Gv,Ez'],
  ['0F 12 C1', 64, 'MOVHLPS Vps,Ups'],
  ['0F 12 00', 64, 'MOVLPS Vps,Mq'],
  ['D9 E8', 32, 'FLD1'],
  ['DE D9', 32, 'FCOMPP'],
  ['F3 0F 1E FA', 64, 'ENDBR64'],
  ['F3 0F 1E C8', 64, 'NOP Ev'],
  ['0F 01 F8', 64, 'SWAPGS'],
  ['0F 20 05', 32, 'MOV Ry,Cy'],
];

test('prefixes, modes and ModRM select the row', () => {
  for (const [hex, bits, expected] of NAMED) assert.equal(rowText(hex, bits), expected, hex);
});

test('the operand size follows mode, 66, REX.W and the row', () => {
  const sizes: [string, 16 | 32 | 64, number][] = [
    ['01 C0', 16, 16],
    ['66 01 C0', 16, 32],
    ['66 01 C0', 32, 16],
    ['66 01 C0', 64, 16],
    ['66 48 01 C0', 64, 64],
    ['48 66 01 C0', 64, 16],
    ['50', 64, 64],
    ['66 50', 64, 16],
    ['66 E8 00 00 00 00', 64, 64],
    ['66 0F 6F C1', 64, 32],
    ['0F 20 C0', 16, 16],
  ];
  for (const [hex, bits, size] of sizes) assert.equal(at(hex, bits)?.operandSize, size, hex);
});

const mem = (hex: string, bits: 16 | 32 | 64): unknown => at(hex, bits)?.operands[0];

test('memory operands have the base, index, displacement and default segment of their form', () => {
  const common = { kind: 'mem', index: -1, scale: 0, disp: 0, width: 8 };
  assert.deepEqual(mem('00 05 FF FF FF FF', 64), { ...common, seg: 3, base: 16, disp: -1 });
  assert.deepEqual(mem('00 05 FF FF FF FF', 32), { ...common, seg: 3, base: -1, disp: -1 });
  assert.deepEqual(mem('00 04 24', 32), { ...common, seg: 2, base: 4 });
  assert.deepEqual(mem('41 00 04 24', 64), { ...common, seg: 3, base: 12 });
  assert.deepEqual(mem('00 45 80', 64), { ...common, seg: 2, base: 5, disp: -128 });
  assert.deepEqual(mem('41 00 45 80', 64), { ...common, seg: 3, base: 13, disp: -128 });
  assert.deepEqual(mem('42 00 04 65 00 00 00 80', 64), {
    ...common,
    seg: 3,
    base: -1,
    index: 12,
    scale: 1,
    disp: -0x80000000,
  });
  assert.deepEqual(mem('00 42 FF', 16), { ...common, seg: 2, base: 5, index: 6, disp: -1 });
  assert.deepEqual(mem('00 06 FE FF', 16), { ...common, seg: 3, base: -1, disp: 0xfffe });
  assert.deepEqual(mem('64 2E 00 00', 64), { ...common, seg: 4, base: 0 });
  assert.deepEqual(mem('64 2E 00 00', 32), { ...common, seg: 1, base: 0 });
});

test('byte registers 4..7 are the high bytes only without REX', () => {
  const high = at('88 E0', 64)?.operands[1];
  const low = at('40 88 E0', 64)?.operands[1];
  assert.deepEqual(high, { kind: 'reg', cls: 'gpr', index: 0, high: true, width: 8 });
  assert.deepEqual(low, { kind: 'reg', cls: 'gpr', index: 4, high: false, width: 8 });
});

test('immediates are extended to the operand size', () => {
  const immediate = (hex: string): unknown => at(hex, 64)?.operands[1];
  assert.deepEqual(immediate('48 81 C0 00 00 00 80'), { kind: 'imm', value: 0xffffffff80000000n, width: 64 });
  assert.deepEqual(immediate('83 C0 FF'), { kind: 'imm', value: 0xffffffffn, width: 32 });
  assert.deepEqual(immediate('48 B8 01 00 00 00 00 00 00 80'), { kind: 'imm', value: 0x8000000000000001n, width: 64 });
  assert.deepEqual(immediate('66 83 C0 80'), { kind: 'imm', value: 0xff80n, width: 16 });
});

test('fifteen bytes decode and sixteen do not', () => {
  const prefixes = (count: number): number[] => [...new Array(count).fill(0x66), 0x90];
  const kind = (bytes: number[]): string => tryDecode((offset) => bytes[offset], { bits: 32 }).kind;
  assert.equal(kind(prefixes(14)), 'instruction');
  assert.equal(kind(prefixes(15)), 'tooLong');
});

test('what the fetch throws reaches the caller', () => {
  const fetch = (): number => {
    throw new RangeError('page fault');
  };
  assert.throws(() => decode(fetch, { bits: 64 }), RangeError);
});

test('no two rows claim the same encoding', () => {
  for (const is64 of [false, true]) {
    const table = new OpcodeTable(ROWS, is64);
    for (let key = 0; key < 4 * 256; key++) assert.doesNotThrow(() => table.cell(key >> 8, key & 0xff)?.check());
  }
});
