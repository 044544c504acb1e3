import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTestMachine, runTo } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';
import { MAP_PAGES, START_PAGING } from './guests/paging.ts';

const [ECX, EBX, EBP] = [1, 3, 5];

/**
 * ADD EBX, imm32 at 400FFEh has its number in the page behind, which is one of two by turns. The RET at 402FFCh has the same
 * entry in the jump cache, so that the ADD is looked for each time.
 * @param forget makes the processor forget where the page was
 */
const swapping = (forget: string) => `
  mov esp, 0x300000
  mov ebx, 0
  mov ebp, 0
${MAP_PAGES}  mov word [0x400ffe], 0xc381
  mov dword [0x403000], 1
  mov byte [0x403004], 0xc3
  mov dword [0x404000], 1000
  mov byte [0x404004], 0xc3
  mov byte [0x402ffc], 0xc3
${START_PAGING}  mov ecx, 300
again:
  mov dword [0x501004], 0x403003
  ${forget}
  mov edx, 0x400ffe
  mov esi, 0x402ffc
  call edx
  call esi
  call edx
  call esi
  call edx
  mov dword [0x501004], 0x404003
  ${forget}
  call edx
  call esi
  call edx
  inc ebp
  dec ecx
  jnz again
end: jmp end`;

for (const [name, forget] of [
  ['a load of CR3', 'mov eax, cr3\n  mov cr3, eax'],
  ['INVLPG', 'invlpg [0x401000]'],
]) {
  test(`an instruction that goes on in another page is the one that is mapped there, after ${name}`, () => {
    for (const jit of [undefined, { hotAfter: 0 }, { hotAfter: 20 }]) {
      const boot = { kernel: multibootKernel(swapping(forget)), commandLine: '' };
      const { machine } = makeTestMachine({ boot, jit });
      for (let at = 1_000; at <= 20_000; at += 1_000) runTo(machine, at);
      const { state } = machine.vcpu;
      assert.deepEqual([state.gpr32(ECX), state.gpr32(EBP), state.gpr32(EBX)], [0, 300, 300 * (3 * 1 + 2 * 1000)]);
    }
  });
}
