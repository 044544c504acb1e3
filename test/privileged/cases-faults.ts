/** Faults, traps and interrupts: vectors, error codes, saved state. Source: Intel SDM 2 and SDM 3A chapters 5 and 6. */

import type { Case } from './cases.ts';
import { handledByTask, LOW_SELECTOR, SELECTORS as S } from './harness32.ts';

/** An error code that names an entry of the IDT. */
const idt = (vector: number): string => (vector * 8 + 2).toString(16);
const code = (selector: number): string => selector.toString(16);
/** RF, and the bit that is always set. */
const RF = 0x10002;

const EXCEPTIONS: readonly Case[] = [
  {
    name: 'division by zero',
    place: 'ring3',
    code: '.fault: div eax',
    expect: { event: 'DE fault', cs: S.CODE3 + 3, ss: S.DATA3 + 3, eflags: RF },
  },
  { name: 'quotient too large', place: 'ring0', code: 'mov edx, 2\n mov ecx, 1\n.fault: div ecx', expect: 'DE fault' },
  { name: 'AAM by zero', place: 'ring3', code: '.fault: db 0xd4, 0', expect: 'DE fault' },
  {
    name: 'BOUND outside',
    place: 'ring3',
    setup: 'mov dword [user_data], 1\n mov dword [user_data+4], 2',
    code: '.fault: bound eax, [user_data]',
    expect: 'BR fault',
  },
  {
    name: 'BOUND inside',
    place: 'ring3',
    setup: 'mov dword [user_data+4], 2',
    code: 'bound eax, [user_data]',
    expect: 'ok',
  },
  { name: 'UD2', place: 'ring3', code: '.fault: ud2', expect: { event: 'UD fault', eflags: RF } },
  { name: 'LOCK on a register', place: 'ring0', code: '.fault: db 0xf0, 0x01, 0xc0', expect: 'UD fault' },
  {
    name: 'LOCK on what may not be locked',
    place: 'ring0',
    code: '.fault: db 0xf0, 0x8b, 0x05\n dd user_data',
    expect: 'UD fault',
  },
  { name: 'MOV to CS', place: 'ring0', code: '.fault: db 0x8e, 0xc8', expect: 'UD fault' },
  { name: 'LEA of a register', place: 'ring0', code: '.fault: db 0x8d, 0xc0', expect: 'UD fault' },
  { name: 'an instruction of 16 bytes', place: 'ring0', code: '.fault: times 15 db 0x26\n nop', expect: 'GP fault' },
  {
    name: 'INT3',
    place: 'ring3',
    setup: 'mov byte [idt+8*3+5], 0xee',
    code: 'int3\n.next:',
    expect: { event: 'BP next', eflags: 2 },
  },
  { name: 'INT3 with a gate of level 0', place: 'ring3', code: '.fault: int3', expect: `GP(${idt(3)}) fault` },
  { name: 'INTO with overflow', place: 'ring0', code: 'mov al, 0x7f\n inc al\n into\n.next:', expect: 'OF next' },
  { name: 'INTO without overflow', place: 'ring0', code: 'into', expect: 'ok' },
  {
    name: 'INTO with a gate of level 0',
    place: 'ring3',
    code: 'mov al, 0x7f\n inc al\n.fault: into',
    expect: `GP(${idt(4)}) fault`,
  },
  { name: 'INT1 needs no privilege', place: 'ring3', code: 'int1\n.next:', expect: 'DB next' },
  {
    name: 'x87 with CR0.TS',
    place: 'ring0',
    code: 'mov eax, cr0\n or eax, 8\n mov cr0, eax\n.fault: fnop',
    expect: 'NM fault',
  },
  {
    name: 'x87 with CR0.EM',
    place: 'ring0',
    code: 'mov eax, cr0\n or eax, 4\n mov cr0, eax\n.fault: fnop',
    expect: 'NM fault',
  },
  {
    name: 'WAIT with TS and not MP',
    place: 'ring0',
    code: 'mov eax, cr0\n or eax, 8\n mov cr0, eax\n fwait',
    expect: 'ok',
  },
  {
    name: 'WAIT with TS and MP',
    place: 'ring0',
    code: 'mov eax, cr0\n or eax, 10\n mov cr0, eax\n.fault: fwait',
    expect: 'NM fault',
  },
  { name: 'SSE without CR4.OSFXSR', place: 'ring0', code: '.fault: addps xmm0, xmm1', expect: 'UD fault' },
  {
    name: 'SSE with CR0.TS',
    place: 'ring0',
    code: 'mov eax, 0x200\n mov cr4, eax\n mov eax, cr0\n or eax, 8\n mov cr0, eax\n.fault: addps xmm0, xmm1',
    expect: 'NM fault',
  },
  {
    name: 'an x87 exception waits for the next x87 instruction',
    place: 'ring0',
    setup: 'fninit\n mov word [user_data], 0x37b\n fldcw [user_data]',
    code: 'fldz\n fld1\n fdiv st0, st1\n nop\n.fault: fld1',
    expect: 'MF fault',
  },
  {
    name: 'an SSE exception',
    place: 'ring0',
    setup:
      'mov eax, 0x600\n mov cr4, eax\n mov dword [user_data], 0x1d80\n ldmxcsr [user_data]\n mov dword [user_data], 0x3f800000\n movss xmm0, [user_data]\n xorps xmm1, xmm1',
    code: '.fault: divss xmm0, xmm1',
    expect: 'XM fault',
  },
  {
    name: 'an SSE exception without CR4.OSXMMEXCPT',
    place: 'ring0',
    setup:
      'mov eax, 0x200\n mov cr4, eax\n mov dword [user_data], 0x1d80\n ldmxcsr [user_data]\n mov dword [user_data], 0x3f800000\n movss xmm0, [user_data]\n xorps xmm1, xmm1',
    code: '.fault: divss xmm0, xmm1',
    expect: 'UD fault',
  },
  {
    name: 'misaligned SSE access',
    place: 'ring0',
    setup: 'mov eax, 0x200\n mov cr4, eax',
    code: '.fault: movaps xmm0, [user_data+4]',
    expect: 'GP fault',
  },
];

const ALIGNMENT: readonly Case[] = [
  {
    name: 'a misaligned access at level 3 with AM and AC',
    place: 'ring3',
    setup: 'mov eax, cr0\n or eax, 0x40000\n mov cr0, eax\n mov dword [case_flags], 0x40002',
    code: '.fault: mov eax, [user_data+1]',
    expect: 'AC fault',
  },
  {
    name: 'a misaligned access without AC',
    place: 'ring3',
    setup: 'mov eax, cr0\n or eax, 0x40000\n mov cr0, eax',
    code: 'mov eax, [user_data+1]',
    expect: 'ok',
  },
  {
    name: 'a misaligned access at level 0',
    place: 'ring0',
    setup: 'mov eax, cr0\n or eax, 0x40000\n mov cr0, eax\n mov dword [case_flags], 0x40002',
    code: 'mov eax, [user_data+1]',
    expect: 'ok',
  },
];

const privileged = (name: string, text: string): Case[] => [
  { name: `${name} at level 3`, place: 'ring3', code: `.fault: ${text}`, expect: 'GP fault' },
  { name: `${name} in V86 mode`, place: 'v86', code: `.fault: ${text}`, expect: 'GP fault' },
];

const PRIVILEGED: readonly Case[] = [
  ...privileged('HLT', 'hlt'),
  ...privileged('CLTS', 'clts'),
  ...privileged('MOV from CR0', 'mov eax, cr0'),
  ...privileged('MOV to CR3', 'mov cr3, eax'),
  ...privileged('MOV from DR7', 'mov eax, dr7'),
  ...privileged('LGDT', 'lgdt [0]'),
  ...privileged('LIDT', 'lidt [0]'),
  ...privileged('LMSW', 'lmsw ax'),
  ...privileged('INVD', 'invd'),
  ...privileged('WBINVD', 'wbinvd'),
  ...privileged('INVLPG', 'invlpg [0]'),
  ...privileged('RDMSR', 'rdmsr'),
  ...privileged('WRMSR', 'wrmsr'),
  { name: 'LLDT at level 3', place: 'ring3', code: '.fault: lldt ax', expect: 'GP fault' },
  { name: 'LTR at level 3', place: 'ring3', code: '.fault: ltr ax', expect: 'GP fault' },
  { name: 'CLI at level 3', place: 'ring3', code: '.fault: cli', expect: 'GP fault' },
  { name: 'STI at level 3', place: 'ring3', code: '.fault: sti', expect: 'GP fault' },
  {
    name: 'CLI at level 3 with IOPL 3',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x3202',
    code: 'cli',
    expect: { event: 'ok', eflags: 0x3002 },
  },
  {
    name: 'STI at level 3 with PVI sets VIF',
    place: 'ring3',
    setup: 'mov eax, 2\n mov cr4, eax',
    code: 'sti',
    expect: { event: 'ok', eflags: 0x80002 },
  },
  {
    name: 'STI with VIP and PVI',
    place: 'ring3',
    setup: 'mov eax, 2\n mov cr4, eax\n mov dword [case_flags], 0x100002',
    code: '.fault: sti',
    expect: 'GP fault',
  },
  {
    name: 'POPF at level 3 leaves IF and IOPL',
    place: 'ring3',
    code: 'push 0x3ed7\n popfd',
    expect: { event: 'ok', eflags: 0xcd7 },
  },
  {
    name: 'POPF at level 1 with IOPL 1 changes IF',
    place: 'ring1',
    setup: 'mov dword [case_flags], 0x1002',
    code: 'push 0x3202\n popfd\n cli',
    expect: { event: 'ok', eflags: 0x1002 },
  },
  {
    name: 'POPF at level 0 changes IOPL, and neither VM nor VIF',
    place: 'ring0',
    code: 'push 0x1a3002\n popfd',
    expect: { event: 'ok', eflags: 0x3002 },
  },
  {
    name: 'RDTSC at level 3 with CR4.TSD',
    place: 'ring3',
    setup: 'mov eax, 4\n mov cr4, eax',
    code: '.fault: rdtsc',
    expect: 'GP fault',
  },
  { name: 'RDPMC at level 3', place: 'ring3', code: '.fault: rdpmc', expect: 'GP fault' },
  {
    name: 'SGDT with CR4.UMIP',
    place: 'ring3',
    setup: 'mov eax, 0x800\n mov cr4, eax',
    code: '.fault: sgdt [user_data]',
    expect: 'GP fault',
  },
  { name: 'SMSW without CR4.UMIP', place: 'ring3', code: 'smsw eax', expect: { event: 'ok', eax: 0x80000031 } },
  { name: 'LLDT in V86 mode', place: 'v86', code: '.fault: lldt ax', expect: 'UD fault' },
  { name: 'ARPL in real mode', place: 'real', code: '.fault: arpl ax, ax', expect: 'UD fault' },
  { name: 'LAR in V86 mode', place: 'v86', code: '.fault: lar ax, ax', expect: 'UD fault' },
  { name: 'SLDT in real mode', place: 'real', code: '.fault: sldt ax', expect: 'UD fault' },
  {
    name: 'an MSR that does not exist',
    place: 'ring0',
    code: 'mov ecx, 0x12345678\n.fault: rdmsr',
    expect: 'GP fault',
  },
  {
    name: 'SYSENTER without a segment',
    place: 'ring3',
    setup: 'xor eax, eax\n xor edx, edx\n mov ecx, 0x174\n wrmsr',
    code: '.fault: sysenter',
    expect: 'GP fault',
  },
  { name: 'SYSEXIT at level 3', place: 'ring3', code: '.fault: sysexit', expect: 'GP fault' },
];

const PORTS: readonly Case[] = [
  { name: 'IN with the bit of the map clear', place: 'ring3', code: 'in al, 0x80', expect: 'ok' },
  {
    name: 'IN with the bit of the map set',
    place: 'ring3',
    setup: 'mov byte [tss+0x88+16], 1',
    code: '.fault: in al, 0x80',
    expect: 'GP fault',
  },
  {
    name: 'a word of which one port is forbidden',
    place: 'ring3',
    setup: 'mov byte [tss+0x88+16], 2',
    code: '.fault: in ax, 0x80',
    expect: 'GP fault',
  },
  {
    name: 'a forbidden port with IOPL 3',
    place: 'ring3',
    setup: 'mov byte [tss+0x88+16], 2\n mov dword [case_flags], 0x3002',
    code: 'in ax, 0x80',
    expect: 'ok',
  },
  {
    name: 'a forbidden port in V86 mode with IOPL 3',
    place: 'v86',
    setup: 'mov byte [tss+0x88+16], 2',
    code: '.fault: in ax, 0x80',
    expect: 'GP fault',
  },
  {
    name: 'a map beyond the limit',
    place: 'ring3',
    setup: 'mov word [tss+102], 0x2068',
    code: '.fault: in al, 0x80',
    expect: 'GP fault',
  },
  {
    name: 'OUTS with a forbidden port',
    place: 'ring3',
    setup: 'mov byte [tss+0x88+16], 1',
    code: 'mov dx, 0x80\n mov esi, user_data\n.fault: outsb',
    expect: 'GP fault',
  },
];

const GATES: readonly Case[] = [
  {
    name: 'INT n through an interrupt gate',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x3202',
    code: 'int 0x30\n.next:',
    expect: { event: '30 next', cs: S.CODE3 + 3, ss: S.DATA3 + 3, eflags: 0x3202 },
  },
  { name: 'INT n at level 0', place: 'ring0', code: 'int 0x31\n.next:', expect: { event: '31 next', cs: S.CODE0 } },
  {
    name: 'INT n through a gate of level 0',
    place: 'ring3',
    code: '.fault: int 0x3c',
    expect: `GP(${idt(0x3c)}) fault`,
  },
  { name: 'a gate that is not present', place: 'ring3', code: '.fault: int 0x32', expect: `NP(${idt(0x32)}) fault` },
  {
    name: 'a handler segment that is not present',
    place: 'ring3',
    code: '.fault: int 0x33',
    expect: `NP(${code(S.NPCODE0)}) fault`,
  },
  {
    name: 'a handler in a data segment',
    place: 'ring3',
    code: '.fault: int 0x34',
    expect: `GP(${code(S.DATA0)}) fault`,
  },
  { name: 'a handler in the null segment', place: 'ring3', code: '.fault: int 0x35', expect: 'GP fault' },
  { name: 'a handler segment beyond the table', place: 'ring3', code: '.fault: int 0x36', expect: 'GP(7f8) fault' },
  { name: 'a call gate in the IDT', place: 'ring3', code: '.fault: int 0x37', expect: `GP(${idt(0x37)}) fault` },
  { name: 'an empty entry', place: 'ring0', code: '.fault: int 0x28', expect: `GP(${idt(0x28)}) fault` },
  { name: 'an entry beyond the IDT', place: 'ring0', code: '.fault: int 0x80', expect: `GP(${idt(0x80)}) fault` },
  {
    name: 'a handler of less privilege',
    place: 'ring0',
    code: '.fault: int 0x3b',
    expect: `GP(${code(S.CODE3)}) fault`,
  },
  { name: 'a conforming handler at level 0', place: 'ring0', code: 'int 0x3a\n.next:', expect: '3a next' },
  {
    name: 'a 16-bit gate',
    place: 'ring3',
    code: 'int 0x38',
    expect: { event: '38 end', cs: S.CODE3 + 3, ss: S.DATA3 + 3, eflags: 2 },
  },
  {
    name: 'a task gate',
    place: 'ring3',
    code: 'int 0x39\n.next:',
    expect: { event: 'ok task_target.end', tr: S.TSS2 },
  },
  {
    name: 'a task gate to a TSS that is not present',
    place: 'ring3',
    code: '.fault: int 0x3e',
    expect: `NP(${code(S.TSSNP)}) fault`,
  },
];

/** A stack in the TSS that cannot be used. */
const badStack = (why: string, setup: string, vector: number, event: string): Case => ({
  name: `the TSS’s stack ${why}`,
  place: 'ring3',
  setup: handledByTask(vector) + setup,
  code: '.fault: int 0x30',
  expect: { event, tr: S.TSSDF },
});

const STACKS: readonly Case[] = [
  badStack('is null', 'mov dword [tss+8], 0', 10, 'TS fault'),
  badStack('has another level', 'mov dword [tss+8], DATA3', 10, `TS(${code(S.DATA3)}) fault`),
  badStack('has another RPL', 'mov dword [tss+8], DATA0+1', 10, `TS(${code(S.DATA0)}) fault`),
  badStack('is code', 'mov dword [tss+8], CODE0', 10, `TS(${code(S.CODE0)}) fault`),
  badStack('cannot be written', 'mov dword [tss+8], RODATA0', 10, `TS(${code(S.RODATA0)}) fault`),
  badStack('is beyond the table', 'mov dword [tss+8], 0x7f8', 10, 'TS(7f8) fault'),
  badStack('is not present', 'mov dword [tss+8], NPDATA0', 12, `SS(${code(S.NPDATA0)}) fault`),
  badStack('is too small', 'mov dword [tss+8], SMALL0\n mov dword [tss+4], 0x104', 12, `SS(${code(S.SMALL0)}) fault`),
  badStack(
    'is not mapped',
    'mov dword [pt1+4], 0\n mov dword [tss+4], 0x402000\n invlpg [0x401000]',
    14,
    'PF(2) fault',
  ),
  {
    name: 'a fault while a page fault is delivered is a double fault',
    place: 'ring3',
    setup: `${handledByTask(8)} mov dword [tss+8], 0`,
    code: '.fault: mov eax, [0x800000]',
    expect: { event: 'DF fault', tr: S.TSSDF, cr2: 0x800000 },
  },
  {
    name: 'a missing handler of a contributory exception is a double fault',
    place: 'ring0',
    setup: 'mov byte [idt+8*13+5], 0',
    code: 'mov eax, 0x7f8\n.fault: mov ds, ax',
    expect: 'DF fault',
  },
  {
    name: 'a missing handler of #UD is #NP with EXT',
    place: 'ring0',
    setup: 'mov byte [idt+8*6+5], 0x0e',
    code: '.fault: ud2',
    expect: `NP(${(6 * 8 + 3).toString(16)}) fault`,
  },
];

const SINGLE_STEP: readonly Case[] = [
  {
    name: 'TF traps after the next instruction',
    place: 'ring0',
    setup: 'mov dword [case_flags], 2',
    code: 'push 0x102\n popfd\n nop\n.next: nop',
    expect: { event: 'DB next', eflags: 0x102, dr6: 0xffff4ff0 },
  },
  {
    name: 'TF at level 3',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x102',
    code: 'nop\n.next: nop',
    expect: { event: 'DB next', dr6: 0xffff4ff0, cs: S.CODE3 + 3 },
  },
  {
    name: 'MOV SS holds the trap off',
    place: 'ring0',
    code: 'mov eax, ss\n push 0x102\n popfd\n mov ss, ax\n nop\n.next: nop',
    expect: { event: 'DB next', dr6: 0xffff4ff0 },
  },
  {
    name: 'a faulting instruction faults before it traps',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x102',
    code: '.fault: ud2',
    expect: { event: 'UD fault', eflags: 0x10102 },
  },
  {
    name: 'a debug register with general detect',
    place: 'ring0',
    code: 'mov eax, 0x2000\n mov dr7, eax\n.fault: mov eax, dr0',
    expect: { event: 'DB fault', dr6: 0xffff2ff0 },
  },
  {
    name: 'DR4 with CR4.DE',
    place: 'ring0',
    code: 'mov eax, 8\n mov cr4, eax\n.fault: mov eax, dr4',
    expect: 'UD fault',
  },
  { name: 'DR4 without CR4.DE is DR6', place: 'ring0', code: 'mov eax, dr4', expect: { event: 'ok', eax: 0xffff0ff0 } },
  {
    name: 'DR7 has fixed bits',
    place: 'ring0',
    code: 'mov eax, 0xdfff\n mov dr7, eax\n mov eax, dr7\n mov ebx, eax\n xor ecx, ecx\n mov dr7, ecx\n mov eax, ebx',
    expect: { event: 'ok', eax: 0x7ff },
  },
  {
    name: 'an instruction breakpoint',
    place: 'ring0',
    code: 'mov eax, .fault\n mov dr0, eax\n mov eax, 2\n mov dr7, eax\n.fault: nop',
    expect: { event: 'DB fault', dr6: 0xffff0ff1, eflags: 2 },
  },
  {
    name: 'RF passes an instruction breakpoint once',
    place: 'ring0',
    code: 'mov eax, .next\n mov dr0, eax\n mov eax, 2\n mov dr7, eax\n push 0x10002\n push CODE0\n push .next\n iretd\n.next: nop',
    expect: 'ok',
  },
  {
    name: 'a data breakpoint on a write',
    place: 'ring0',
    code: 'mov eax, user_data\n mov dr1, eax\n mov eax, 0xd00008\n mov dr7, eax\n mov eax, [user_data]\n mov [user_data], eax\n.next: nop',
    expect: { event: 'DB next', dr6: 0xffff0ff2 },
  },
  {
    name: 'a data breakpoint on a read or write',
    place: 'ring3',
    setup: 'mov eax, user_data\n mov dr3, eax\n mov eax, 0xf0000080\n mov dr7, eax',
    code: 'mov eax, [user_data]\n.next: nop',
    expect: { event: 'DB next', dr6: 0xffff0ff8 },
  },
  {
    name: 'INT n with TF enters its handler without a trap',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x102',
    code: 'int 0x30\n.next:',
    expect: { event: '30 next', eflags: 0x102 },
  },
  {
    name: 'INT3 with TF enters its handler without a trap',
    place: 'ring0',
    code: 'push 0x102\n popfd\n int3\n.next:',
    expect: 'BP next',
  },
  {
    name: 'IRET that sets TF traps after the next instruction',
    place: 'ring0',
    code: 'push 0x102\n push CODE0\n push .to\n iretd\n.to: nop\n.next: nop',
    expect: { event: 'DB next', dr6: 0xffff4ff0 },
  },
  {
    name: 'POPF that clears TF traps after itself',
    place: 'ring0',
    code: 'push 2\n push 0x102\n popfd\n popfd\n.next: nop',
    expect: { event: 'DB next', eflags: 2 },
  },
  {
    name: 'a repeated instruction traps after each turn',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x102',
    code: '.fault: rep lodsb',
    expect: { event: 'DB fault', dr6: 0xffff4ff0, flagsMask: 0x10102, eflags: 0x10102 },
  },
  {
    name: 'a jump traps at its target',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x102',
    code: 'jmp .to\n nop\n.to: nop',
    expect: 'DB to',
  },
  {
    name: 'a call gate with TF traps at its target',
    place: 'ring3',
    setup: 'mov dword [case_flags], 0x102',
    code: 'call GATE:0',
    expect: { event: 'DB gate_target', cs: S.CODE0 },
  },
  {
    name: 'a task switch by JMP with TF',
    place: 'ring0',
    code: 'push 0x102\n popfd\n jmp TSS2:0',
    expect: { event: 'DB task_target', dr6: 0xffff4ff0 },
  },
];

const REAL: readonly Case[] = [
  {
    name: 'real mode: division by zero',
    place: 'real',
    code: '.fault: div ax',
    expect: { event: 'DE fault', cs: LOW_SELECTOR, eflags: 2, flagsMask: 0x7302 },
  },
  { name: 'real mode: INT n', place: 'real', code: 'int 0x30\n.next:', expect: '30 next' },
  { name: 'real mode: INT3', place: 'real', code: 'int3\n.next:', expect: 'BP next' },
  { name: 'real mode: a word at FFFFh', place: 'real', code: '.fault: mov ax, [0xffff]', expect: 'GP fault' },
  {
    name: 'real mode: an offset beyond 64 KiB',
    place: 'real',
    code: 'mov eax, 0x10000\n.fault: mov al, [eax]',
    expect: 'GP fault',
  },
  { name: 'real mode: UD2', place: 'real', code: '.fault: ud2', expect: 'UD fault' },
  {
    name: 'real mode: BOUND',
    place: 'real',
    code: 'mov word [0x1f0], 1\n.fault: bound ax, [0x1f0]',
    expect: 'BR fault',
  },
  {
    name: 'real mode: single step',
    place: 'real',
    setup: 'mov dword [case_flags], 2',
    code: 'push 0x102\n popf\n nop\n.next: nop',
    expect: { event: 'DB next', eflags: 0x102, flagsMask: 0xffff },
  },
  {
    name: 'real mode: HLT needs no privilege, MOV CR neither',
    place: 'real',
    code: 'mov eax, cr0',
    expect: { event: 'ok', eax: 0x30 },
  },
  {
    name: 'real mode: IRET with 32 bits',
    place: 'real',
    code: 'push dword 0x47202\n push dword 0x800\n push dword 0x1f0\n mov byte [0x1f0], 0xcd\n mov byte [0x1f1], 0x40\n o32 iret',
    expect: { event: 'ok 1f2', eflags: 0x7202, flagsMask: 0xffff },
  },
];

export const FAULT_CASES: readonly Case[] = [
  ...EXCEPTIONS,
  ...ALIGNMENT,
  ...PRIVILEGED,
  ...PORTS,
  ...GATES,
  ...STACKS,
  ...SINGLE_STEP,
  ...REAL,
];
