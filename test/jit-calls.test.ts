import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import type { JitOptions } from '../src/cpu/machine-code.ts';
import { makeTestMachine, runTo } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';

const INSTRUCTIONS = 60_000;
/** Slices end at all places of short loops. */
const SLICE = 997;

function machineFor(source: string, jit?: JitOptions): PcMachine {
  return makeTestMachine({ boot: { kernel: multibootKernel(source), commandLine: '' }, jit }).machine;
}

/** What the whole machine is after some of many slices. */
function* hashes(machine: PcMachine): Generator<bigint> {
  for (let slice = 1; slice * SLICE <= INSTRUCTIONS; slice++) {
    runTo(machine, slice * SLICE);
    if (slice % 12 === 0) yield machine.stateHash();
  }
}

/** Calls 20 deep, and when that has been done for a while 100,000 deep. */
const DEEP = `mov esp, 0xf00000
  mov eax, 0
again: mov edx, 20
  cmp eax, 3000
  jb enough
  mov edx, 100000
enough: call one
  jmp again
  times 4096 nop
one: inc eax
  dec edx
  jz deepest
  call two
  inc ecx
deepest: ret
  times 4096 nop
two: call one
  inc ebx
  ret`;

/** Code of other pages is called from `again`, for ever. */
const CASES: Readonly<Record<string, string>> = {
  'one behind the other and one in another': `again: call one
  call two
  jmp again
  times 4096 nop
one: inc eax
  call two
  dec ebx
  ret
  times 4096 nop
two: add ecx, eax
  ret`,
  'that are the last of their page': `again: jmp last
  times 4096 nop
  align 4096
  times 4091 nop
last: call one
  inc edx
  call near
  jmp again
near: inc ebx
  ret
  times 4096 nop
one: inc eax
  ret`,
  'deeper than the host allows': DEEP,
  'that return to another place than behind the call': `again: call one
  inc edx
other: inc esi
  jmp again
  times 4096 nop
one: inc eax
  test eax, 3
  jnz behind
  mov dword [esp], other
behind: ret`,
  'that return to the caller of their caller': `again: call one
  inc edx
  jmp again
  times 4096 nop
one: inc eax
  call two
  inc ebx
  ret
  times 4096 nop
two: inc ecx
  test ecx, 7
  jnz behind
  add esp, 4
behind: ret`,
  'that return twice': `again: call one
  inc edx
  jmp again
  times 4096 nop
one: inc eax
  push dword three
  ret
  times 4096 nop
three: inc ebx
  ret`,
  'that return twice, to a region that has calls inside': `again: mov esi, 7
  call near
  mov esi, 9
  call one
  mov esi, 3
  jmp again
near: mov esi, 1
  ret
  times 4096 nop
one: mov esi, 5
  push dword three
  ret
  times 4096 nop
three: add ebx, esi
  ret`,
  'that are made on another stack': `again: call one
  inc edx
  jmp again
  times 4096 nop
one: inc eax
  xchg [saved], esp
  call two
  xchg [saved], esp
  ret
saved: dd stack_end
  times 4096 db 0
stack_end: times 4096 nop
two: inc ecx
  ret`,
  'that leave in the middle of one stack for the middle of another': `mov dword [stack_end], start
  mov dword [saved], stack_end
again: inc esi
  call yield
  jmp again
start: inc edi
  call deeper
  jmp start
saved: dd 0
  times 4096 nop
deeper: inc edx
  call yield
  ret
  times 4096 nop
yield: inc eax
  xchg [saved], esp
  ret
  times 4096 db 0
stack_end: dd 0`,
  'that change the code behind the call': `again: call one
patched: inc edx
  inc esi
  jmp again
  times 4096 nop
one: inc eax
  test eax, 63
  jnz two
  xor byte [patched], 1
  jmp two
  times 4096 nop
two: inc ecx
  ret`,
  'that drop all translations of addresses': `again: call one
  inc edx
  jmp again
  times 4096 nop
one: inc eax
  test eax, 31
  jnz behind
  call two
behind: ret
  times 4096 nop
two: mov ebx, cr3
  mov cr3, ebx
  ret`,
  'that take the coprocessor away': `mov eax, handler
  mov [idt + 56], ax
  mov [idt + 58], cs
  shr eax, 16
  mov word [idt + 60], 0x8e00
  mov [idt + 62], ax
  lidt [idtr]
  mov eax, 0
  fninit
again: fld1
  call one
  fstp st0
  inc edx
  jmp again
handler: clts
  inc ebp
  iretd
idtr: dw 255
  dd idt
  times 4096 nop
one: inc eax
  test eax, 15
  jnz two
  mov ebx, cr0
  or ebx, 8
  mov cr0, ebx
  jmp two
  times 4096 nop
two: inc ecx
  ret
align 8
idt: times 256 db 0`,
  'through memory, of places that change': `again: mov edi, eax
  and edi, 1
  call [table + edi * 4]
  inc edx
  jmp again
table: dd one
  dd two
  times 4096 nop
one: inc eax
  ret
  times 4096 nop
two: add eax, 3
  inc ecx
  ret`,
};

describe('calls', () => {
  for (const [what, source] of Object.entries(CASES)) {
    it(`${what} do the same in translated code as in the interpreter`, () => {
      const machines = [{ hotAfter: 3 }, { hotAfter: 40 }, { hotAfter: 3, joinAfter: 50 }].map((jit) =>
        machineFor(source, jit),
      );
      const expected = [...hashes(machineFor(source))];
      for (const machine of machines) {
        assert.deepEqual([...hashes(machine)], expected);
        assert.ok((machine.vcpu.engine.translator?.stats.regions ?? 0) > 1);
      }
    });
  }

  it('do not use up the host’s stack in a slice that makes many', () => {
    const [machine, expected] = [machineFor(DEEP, { hotAfter: 40 }), machineFor(DEEP)];
    for (let at = 100; at < 20_000; at += 100) runTo(machine, at);
    runTo(machine, 1_000_000);
    runTo(expected, 1_000_000);
    assert.equal(machine.stateHash(), expected.stateHash());
  });

  it('leave all of the host’s stack to the next slice, wherever one ends', () => {
    const machine = machineFor(DEEP, { hotAfter: 3 });
    for (let at = 1; at < 20_000; at += 1 + (at % 7)) runTo(machine, at);
    assert.equal(machine.vcpu.retired, 19_999);
  });
});
