import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTestMachine } from './guests/machine.ts';
import { multibootKernel } from './guests/multiboot.ts';

const IDT = 0x8000;
const IRQ13_VECTOR = 0x75;
const INSTRUCTIONS = 10_000;

const outs = (writes: readonly (readonly [port: number, value: number])[]) =>
  writes.map(([port, value]) => `  mov al, ${value}\n  mov dx, ${port}\n  out dx, al`).join('\n');

/**
 * Divides by zero twice with CR0.NE clear. The handler of IRQ 13 uses the x87 before it clears the error, as IGNNE# lets it.
 * Each step prints a letter.
 */
const GUEST = `
  mov esp, 0x7000
  lgdt [gdt_pointer]
  jmp 8:flat
flat:
  mov ax, 16
  mov ds, ax
  mov ss, ax
  mov eax, handler
  mov edx, eax
  and eax, 0xffff
  or eax, 8 << 16
  and edx, 0xffff0000
  or edx, 0x8e00
  mov [${IDT + IRQ13_VECTOR * 8}], eax
  mov [${IDT + IRQ13_VECTOR * 8 + 4}], edx
  lidt [idt_pointer]
  mov eax, cr0
  and eax, 0xffffffd1
  mov cr0, eax
${outs([
  [0x20, 0x11],
  [0x21, 0x08],
  [0x21, 4],
  [0x21, 1],
  [0x21, 0xfb],
  [0xa0, 0x11],
  [0xa1, 0x70],
  [0xa1, 2],
  [0xa1, 1],
  [0xa1, 0xdf],
  [0x3f8, 0x61],
])}
  sti
  mov ebx, 2
again:
  fninit
  fldcw [control]
  fld1
  fldz
  fdivp st(1), st
${outs([[0x3f8, 0x62]])}
  fwait
${outs([[0x3f8, 0x63]])}
  dec ebx
  jnz again
  cli
  hlt
handler:
${outs([
  [0x3f8, 0x45],
  [0xf0, 0],
])}
  fld1
  fnstsw ax
  test al, 4
  jz lost
${outs([[0x3f8, 0x5a]])}
lost:
  fnclex
${outs([
  [0xa0, 0x20],
  [0x20, 0x20],
])}
  iretd
control: dd 0x37b
align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer: dw 23
  dd gdt
idt_pointer: dw 0x7ff
  dd ${IDT}`;

test('an x87 error with CR0.NE clear is IRQ 13, dropped and ignored by a write to port 0xF0', () => {
  const { machine, serial } = makeTestMachine({ boot: { kernel: multibootKernel(GUEST), commandLine: '' } });
  const exit = machine.run(INSTRUCTIONS);
  assert.equal(serial.output, 'abEZcbEZc');
  assert.equal(exit.kind, 'halted');
});
