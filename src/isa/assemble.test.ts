import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssemblyError, assemble } from './assemble.ts';
import { decode } from './decode.ts';
import { disassemble } from './disassemble.ts';
import { encode } from './encode.ts';
import { chooseOperands, forms } from './encode-forms.ts';
import { register } from './operands.ts';

const hex = (bytes: Iterable<number>): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

const SHORTEST: [16 | 32 | 64, string, string][] = [
  [32, 'add eax, 1', '83 c0 01'],
  [32, 'add eax, 0x1234', '05 34 12 00 00'],
  [32, 'mov eax, [ebx+ecx*4-8]', '8b 44 8b f8'],
  [32, 'mov byte [fs:0x10], 5', '64 c6 05 10 00 00 00 05'],
  [16, 'mov [di+bx], ax', '89 01'],
  [16, 'mov eax, [esp+4]', '67 66 8b 44 24 04'],
  [64, 'mov rax, 0x1122334455667788', '48 b8 88 77 66 55 44 33 22 11'],
  [64, 'mov rax, -1', '48 c7 c0 ff ff ff ff'],
  [64, 'lea rdi, [rel $]', '48 8d 3d f9 ff ff ff'],
  [64, 'mov rax, fs:[0x28]', '64 48 8b 04 25 28 00 00 00'],
  [64, 'push r12', '41 54'],
  [64, 'o64 sysret', '48 0f 07'],
  [64, 'retfq', '48 cb'],
  [32, 'rep movsd', 'f3 a5'],
  [64, 'rep stosq', 'f3 48 ab'],
  [16, 'cs lodsb', '2e ac'],
  [32, 'lock cmpxchg8b [edi]', 'f0 0f c7 0f'],
  [32, 'jmp 8:0x1000', 'ea 00 10 00 00 08 00'],
  [32, 'jmp far [eax]', 'ff 28'],
  [16, 'o32 jmp far [bx]', '66 ff 2f'],
  [32, 'jmp [eax]', 'ff 20'],
  [16, 'iret', 'cf'],
  [16, 'iretd', '66 cf'],
  [64, 'iretq', '48 cf'],
  [32, 'pushfw', '66 9c'],
  [16, 'lgdt [0x1000]', '0f 01 16 00 10'],
  [32, 'mov cr0, eax', '0f 22 c0'],
  [32, 'mov ds, ax', '8e d8'],
  [32, 'fadd st0, st3', 'd8 c3'],
  [32, 'fld tbyte [eax]', 'db 28'],
  [64, 'movq xmm1, rax', '66 48 0f 6e c8'],
  [64, 'crc32 eax, byte [rsi]', 'f2 0f 38 f0 06'],
  [32, "mov al, 'A'", 'b0 41'],
  [32, 'jecxz $', 'e3 fe'],
  [64, 'jecxz $', '67 e3 fd'],
];

test('an instruction has the shortest encoding of the usual operand size', () => {
  for (const [bits, source, expected] of SHORTEST)
    assert.equal(hex(assemble(source, { bits }).bytes), expected, source);
});

test('branches are short where the label is near, and long where it is not', () => {
  const near = assemble('again: nop\n jnz again\n jmp done\ndone: ret', { bits: 32 });
  assert.equal(hex(near.bytes), '90 75 fd eb 00 c3');
  const far = assemble('jmp done\n times 200 nop\ndone: jz done', { bits: 32 });
  assert.equal(hex(far.bytes.subarray(0, 5)), 'e9 c8 00 00 00');
  assert.equal(far.symbols.get('done'), 205n);
});

test('data, alignment, local labels and names', () => {
  const source = `
size equ end - start          ; a name from labels that follow
start:  db "ok", 0, size
.loop:  dw .loop
        align 8
other:
.loop:  dd other.loop
end:    dq -1
        org 0x7c20
        bits 64
        push rax`;
  const { bytes, symbols } = assemble(source, { bits: 16, origin: 0x7c00 });
  const expected = '6f 6b 00 0c 04 7c 00 00 08 7c 00 00 ff ff ff ff ff ff ff ff 00 00 00 00 00 00 00 00 00 00 00 00 50';
  assert.equal(hex(bytes), expected);
  assert.equal(symbols.get('start.loop'), 0x7c04n);
});

test('an outside name serves as immediate and as address', () => {
  const { bytes } = assemble('mov eax, port\n mov [table], eax', { bits: 32, symbols: { port: 5, table: 0x1000n } });
  assert.equal(hex(bytes), 'b8 05 00 00 00 a3 00 10 00 00');
});

const WRONG: [string, RegExp][] = [
  ['nop\nmov eax, nowhere', /line 2: "nowhere" is not defined/],
  ['inc [eax]', /size of the memory operand/],
  ['mov eax, bl', /no 32-bit encoding of MOV/],
  ['frobnicate', /no 32-bit encoding of FROBNICATE/],
  ['a: a: nop', /a:/],
  ['x: nop\nx: nop', /defined twice/],
  ['mov eax, (1', /missing/],
  ['push r8', /no 32-bit encoding of PUSH/],
  ['nop\norg 0', /already passed/],
];

test('an address beyond 32 bits is taken whole or refused', () => {
  assert.equal(hex(assemble('mov eax, [0xffffffff80000000]', { bits: 64 }).bytes), '8b 04 25 00 00 00 80');
  assert.equal(hex(assemble('mov al, [0x123456789]', { bits: 64 }).bytes), 'a0 89 67 45 23 01 00 00 00');
  assert.throws(() => assemble('mov bl, [0x123456789]', { bits: 64 }), AssemblyError);
  assert.throws(() => assemble('mov bl, [rel 0x123456789]', { bits: 64 }), AssemblyError);
});

test('a wrong line is named with its number', () => {
  for (const [source, message] of WRONG) {
    assert.throws(() => assemble(source, { bits: 32 }), message, source);
    assert.throws(() => assemble(source, { bits: 32 }), AssemblyError, source);
  }
});

/** Text that objdump spells so, and that says less than the instruction or more. */
const NOT_SOURCE =
  /^(xchg e?ax,e?ax|xlat .*|fn(eni|disi|setpm).*|cmp(eq|lt|le|unord|neq|nlt|nle|ord)[ps][sd] .*|pclmul.*|data(16|32) .*|rex.*|(call|jmp) DWORD PTR.*)$/;

for (const bits of [16, 32, 64] as const) {
  test(`the disassembly of every ${bits}-bit form assembles to the same instruction`, () => {
    for (const form of forms({ bits })) {
      const { row, mode, operandSize } = form;
      if (row.alias) continue;
      const operands = chooseOperands(form, bits, {
        register: (cls, width) => register(cls, cls === 'seg' || cls === 'cr' || width === 8 ? 3 : 6, width),
        memory: () => ({ kind: 'mem', seg: 3, base: 6, index: -1, scale: 0, disp: 0x12, width: 0 }),
        immediate: (width) => (width === 8 ? 0x25n : 0x1234n),
      });
      const bytes = encode(row, operands, { mode, operandSize, addressSize: bits });
      const { text } = disassemble((offset) => bytes[offset], mode, 0n);
      if (NOT_SOURCE.test(text)) continue;
      const again = assemble(text, { bits }).bytes;
      const decoded = decode((offset) => again[offset], mode);
      assert.equal(disassemble((offset) => again[offset], mode, 0n).text, text);
      assert.equal(decoded?.row.semantics, row.semantics, text);
    }
  });
}
