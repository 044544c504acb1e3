import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import type { JitOptions } from '../src/cpu/machine-code.ts';
import { makeTestMachine, runTo } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';
import { MAP_PAGES, START_PAGING } from './guests/paging.ts';

/** Translated code looks up at once what accesses of a block reach by one register: wherever that is not one page, it must not be seen. */

const [EBX, EBP] = [3, 5];

function run(source: string, count: number, jit?: JitOptions): PcMachine {
  const { machine } = makeTestMachine({ boot: { kernel: multibootKernel(source), commandLine: '' }, jit });
  for (let at = 10_000; at < count; at += 10_000) runTo(machine, at);
  runTo(machine, count);
  return machine;
}

function registers({ vcpu }: PcMachine): number[] {
  return Array.from({ length: 8 }, (_, n) => vcpu.state.gpr32(n));
}

/** Walks through memory in odd steps, reading and writing around a pointer. */
const WALK = `
  mov edi, 40
pass:
  mov esi, 0x200000
  mov ecx, 900
walk:
  mov eax, [esi + 100]
  add eax, [esi + 4]
  add eax, ecx
  mov [esi + 60], eax
  add ebx, [esi + 60]
  mov word [esi - 6], ax
  push eax
  lea esi, [esi + 23]
  mov [esi + 101], ebx
  pop edx
  xor ebp, edx
  dec ecx
  jnz walk
  dec edi
  jnz pass
end: jmp end`;

test('accesses that share a look-up are right in one page and in two', () => {
  const source = `  mov esp, 0x300010\n${WALK}`;
  const expected = run(source, 460_000);
  for (const hotAfter of [0, 50]) {
    const translated = run(source, 460_000, { hotAfter });
    assert.deepEqual(registers(translated), registers(expected));
    assert.equal(translated.stateHash(), expected.stateHash());
  }
});

test('a block that is always found in two pages is translated again, with a look-up for each access', () => {
  const texts: string[] = [];
  const source = `  mov ebx, 0
  mov esi, 0x201000
  mov [esi - 8], ebx
  mov [esi + 8], ebx
  mov ecx, 120000
again:
  add ebx, [esi - 8]
  add ebx, [esi + 8]
  inc dword [esi + 8]
  inc dword [esi - 8]
  dec ecx
  jnz again
end: jmp end`;
  const machine = run(source, 720_100, { hotAfter: 100, onTranslated: (_name, text) => texts.push(text) });
  const loops = texts.filter((text) => /inc .*esi/.test(text));
  assert.ok(loops.length > 1, `translated ${loops.length} times`);
  const lookUps = (text: string) => text.split('refill').length - 1;
  assert.ok(lookUps(loops[loops.length - 1]) > lookUps(loops[0]), 'more look-ups');
  assert.deepEqual(
    [machine.vcpu.state.gpr32(1), machine.vcpu.state.gpr32(EBX)],
    [0, (120_000 * 119_999) | 0].map((n) => n >>> 0),
  );
});

test('accesses share a look-up across what takes a way of its own in rare cases', () => {
  const texts: string[] = [];
  const source = `  fninit
  fld1
  mov esi, 0x200000
  mov dword [esi + 16], 0x40400000
  mov ecx, 1000
again:
  fadd dword [esi + 16]
  fst dword [esi + 24]
  add ebx, [esi + 24]
  lea esi, [esi + 4]
  fmul dword [esi + 12]
  fstp dword [esi + 28]
  mov dword [esi + 12], 0x3f000000
  fld1
  lea esi, [esi - 4]
  dec ecx
  jnz again
end: jmp end`;
  const expected = run(source, 11_100);
  const translated = run(source, 11_100, { hotAfter: 100, onTranslated: (_name, text) => texts.push(text) });
  assert.equal(translated.stateHash(), expected.stateHash());
  const [loop] = texts.filter((text) => /fadd/.test(text));
  const forReading = loop.match(/refill\(%p0, %\d+, \w+, 0,/g);
  assert.equal(forReading?.length, 1, 'one look-up for all that is read');
});

/** The page at 401000h is not there at first, each time; the handler of its fault brings it. */
const FAULTS = `
  mov esp, 0x300000
${MAP_PAGES}  mov eax, handler
  mov [0x502070], ax
  mov word [0x502072], cs
  mov word [0x502074], 0x8e00
  shr eax, 16
  mov [0x502076], ax
  mov word [0x502100], 0x7ff
  mov dword [0x502102], 0x502000
  lidt [0x502100]
${START_PAGING}  mov ecx, 300
again:
  mov dword [0x501004], 0
  invlpg [0x401000]
  mov esi, 0x400ff8
  call touch
  dec ecx
  jnz again
end: jmp end
touch:
  inc dword [esi]
  inc dword [esi + 4]
  mov edx, [esi]
  mov [esi + 8], edx
  inc dword [esi + 4]
  add ebx, [esi + 12]
  ret
handler:
  push eax
  inc ebp
  mov eax, cr2
  add edi, eax
  mov eax, [0x400ffc]
  xor edi, eax
  mov dword [0x501004], 0x401003
  pop eax
  add esp, 4
  iret`;

test('a page that is missing in the middle of accesses that share a look-up faults where it is reached', () => {
  const expected = run(FAULTS, 14_000);
  assert.deepEqual([expected.vcpu.state.gpr32(1), expected.vcpu.state.gpr32(EBP)], [0, 300]);
  for (const hotAfter of [0, 20]) {
    const translated = run(FAULTS, 14_000, { hotAfter });
    assert.deepEqual(registers(translated), registers(expected));
    assert.equal(translated.stateHash(), expected.stateHash());
  }
});
