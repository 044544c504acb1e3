import assert from 'node:assert/strict';
import { it } from 'node:test';
import { makeTestMachine } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';

it("VMware's backdoor answers in the registers of the processor that asks, in a loop as well", () => {
  const { machine } = makeTestMachine({
    boot: {
      kernel: multibootKernel(`
        mov esi, 100000
        xor edi, edi
      again:
        mov eax, 0x564d5868
        mov ebx, 7
        mov ecx, 10
        mov edx, 0x5658
        in eax, dx
        add edi, ecx
        cmp ebx, 0x564d5868
        jne end
        sub esi, 1
        jne again
      end:
        hlt`),
      commandLine: '',
    },
  });
  assert.equal(machine.run(10_000_000).kind, 'halted');
  const { state } = machine.vcpu;
  assert.deepEqual(
    [0, 3, 6, 7].map((register) => state.gpr32(register)),
    [6, 0x564d5868, 0, 400_000],
  );
});
