import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disassemble } from './disassemble.ts';

function textOf(hex: string, bits: 16 | 32 | 64, address = 0n): string {
  const bytes = hex.split(' ').map((byte) => Number.parseInt(byte, 16));
  return disassemble((offset) => bytes[offset] ?? 0, { bits }, address).text;
}

const TEXTS: [16 | 32 | 64, string, string][] = [
  [64, '48 8b 05 e9 ff ff ff', 'mov rax,QWORD PTR [rip+0xffffffffffffffe9]'],
  [64, '64 48 8b 04 25 28 00 00 00', 'mov rax,QWORD PTR fs:0x28'],
  [32, '8d 74 26 00', 'lea esi,[esi+eiz*1+0x0]'],
  [64, '66 2e 0f 1f 84 00 00 00 00 00', 'cs nop WORD PTR [rax+rax*1+0x0]'],
  [64, '66 66 2e 0f 1f 84 00 00 00 00 00', 'data16 cs nop WORD PTR [rax+rax*1+0x0]'],
  [64, '66 90', 'xchg ax,ax'],
  [64, 'f3 48 ab', 'rep stos QWORD PTR es:[rdi],rax'],
  [32, 'f2 ae', 'repnz scas al,BYTE PTR es:[edi]'],
  [64, '48 83 c0 80', 'add rax,0xffffffffffffff80'],
  [64, '48 b8 88 77 66 55 44 33 22 11', 'movabs rax,0x1122334455667788'],
  [16, '66 c3', 'retd'],
  [64, '48 cf', 'iretq'],
  [64, '48 c3', 'rex.W ret'],
  [64, '40 88 c6', 'mov sil,al'],
  [32, '8b 00', 'mov eax,DWORD PTR [eax]'],
  [16, '8b 42 fe', 'mov ax,WORD PTR [bp+si-0x2]'],
  [16, 'a1 34 12', 'mov ax,ds:0x1234'],
  [32, 'd7', 'xlat BYTE PTR ds:[ebx]'],
  [64, '66 0f c2 c1 01', 'cmpltpd xmm0,xmm1'],
  [64, '66 0f 3a 44 c1 11', 'pclmulhqhqdq xmm0,xmm1'],
  [32, 'dc e1', 'fsubr st(1),st'],
  [64, '3e ff e0', 'notrack jmp rax'],
  [32, 'ea 00 10 00 00 08 00', 'jmp 0x8:0x1000'],
  [64, '06', '(bad)'],
];

test('instructions read as in objdump', () => {
  for (const [bits, hex, expected] of TEXTS) assert.equal(textOf(hex, bits), expected, hex);
});

test('branch targets are addresses, cut to the size of the instruction pointer', () => {
  assert.equal(textOf('eb fe', 64, 0xffffffff81000000n), 'jmp 0xffffffff81000000');
  assert.equal(textOf('e9 00 00 00 00', 32, 0xfffffffen), 'jmp 0x3');
  assert.equal(textOf('e9 00 10', 16, 0xf000n), 'jmp 0x3');
  assert.equal(textOf('66 e9 00 00', 32, 0x12345678n), 'jmpw 0x567c');
});
