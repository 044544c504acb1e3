import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tryDecode } from './decode.ts';
import { printInstruction } from './print.ts';

const CASES: readonly (readonly [bytes: string, text: string])[] = [
  ['48 8b 44 8b f8', 'mov rax, [rbx+rcx*4-8]'],
  ['f0 44 0f b1 0f', 'lock cmpxchg [rdi], r9d'],
  ['f3 a4', 'rep movsb es:[rdi], [rsi]'],
  ['88 e0', 'mov al, ah'],
  ['65 48 8b 04 25 28 00 00 00', 'mov rax, gs:[0x28]'],
  ['48 8d 05 10 00 00 00', 'lea rax, [0x1017]'],
  ['75 fe', 'jne 0x1000'],
  ['66 0f 6f c1', 'movdqa xmm0, xmm1'],
  ['41 b8 05 00 00 00', 'mov r8d, 5'],
];

test('instructions are printed as in the manuals', () => {
  for (const [text, expected] of CASES) {
    const bytes = text.split(' ').map((byte) => Number.parseInt(byte, 16));
    const result = tryDecode((at) => bytes[at], { bits: 64 });
    assert.ok(result.kind === 'instruction', text);
    assert.equal(printInstruction(result.decoded, 0x1000n + BigInt(bytes.length)), expected);
  }
});
