/** Segment loads, far transfers, IRET, tasks. Source: Intel SDM 2 and SDM 3A chapters 3, 5, 7 and 20. */

import type { Case, Expectation, Place } from './cases.ts';
import { handledByTask, LOW_SELECTOR, SELECTORS as S } from './harness32.ts';

const hex = (value: number): string => value.toString(16);
const WHERE: Readonly<Record<string, string>> = { ring0: 'level 0', ring3: 'level 3' };

/** A load of a segment register. */
function load(register: string, what: string, place: Place, selector: string, event: string): Case {
  const code = `mov eax, ${selector}\n.fault: mov ${register}, ax`;
  return { name: `${register.toUpperCase()} with ${what} at ${WHERE[place]}`, place, code, expect: event };
}

const LOADS: readonly Case[] = [
  load('ds', 'null', 'ring3', '3', 'ok'),
  load('ds', 'data', 'ring3', 'DATA3', 'ok'),
  load('ds', 'data of level 0', 'ring3', 'DATA0', `GP(${hex(S.DATA0)}) fault`),
  load('ds', 'data with a weak RPL', 'ring0', 'DATA0+3', `GP(${hex(S.DATA0)}) fault`),
  load('ds', 'conforming code of level 0', 'ring3', 'CONF', 'ok'),
  load('ds', 'readable code', 'ring3', 'CODE3', 'ok'),
  load('ds', 'execute-only code', 'ring3', 'XOCODE3', `GP(${hex(S.XOCODE3)}) fault`),
  load('ds', 'a segment not present', 'ring3', 'NPDATA3', `NP(${hex(S.NPDATA3)}) fault`),
  load('ds', 'a TSS', 'ring0', 'TSS2', `GP(${hex(S.TSS2)}) fault`),
  load('ds', 'a call gate', 'ring0', 'GATE', `GP(${hex(S.GATE)}) fault`),
  load('ds', 'a selector beyond the table', 'ring0', '0x7f8', 'GP(7f8) fault'),
  load('ds', 'a selector beyond the LDT', 'ring0', '0x24', 'GP(24) fault'),
  load('ds', 'data of the LDT', 'ring0', '0x0c', 'ok'),
  load('fs', 'read-only data', 'ring3', 'RODATA3', 'ok'),
  load('ss', 'null', 'ring0', '0', 'GP fault'),
  load('ss', 'null', 'ring3', '3', 'GP fault'),
  load('ss', 'data of another level', 'ring3', 'DATA0+3', `GP(${hex(S.DATA0)}) fault`),
  load('ss', 'another RPL', 'ring3', 'DATA3', `GP(${hex(S.DATA3)}) fault`),
  load('ss', 'read-only data', 'ring3', 'RODATA3+3', `GP(${hex(S.RODATA3)}) fault`),
  load('ss', 'code', 'ring3', 'CODE3+3', `GP(${hex(S.CODE3)}) fault`),
  load('ss', 'a segment not present', 'ring3', 'NPDATA3+3', `SS(${hex(S.NPDATA3)}) fault`),
  load('ss', 'a selector beyond the table', 'ring3', '0x7fb', 'GP(7f8) fault'),
  {
    name: 'the accessed bit is set',
    place: 'ring0',
    code: 'mov byte [gdt+RODATA0+5], 0x90\n mov ax, RODATA0\n mov ds, ax\n mov ax, DATA0\n mov ds, ax\n movzx eax, byte [gdt+RODATA0+5]',
    expect: { event: 'ok', eax: 0x91 },
  },
  {
    name: 'LLDT with a TSS',
    place: 'ring0',
    code: 'mov ax, TSS2\n.fault: lldt ax',
    expect: `GP(${hex(S.TSS2)}) fault`,
  },
  { name: 'LLDT from the LDT', place: 'ring0', code: 'mov ax, 0xc\n.fault: lldt ax', expect: 'GP(c) fault' },
  {
    name: 'LLDT not present',
    place: 'ring0',
    setup: 'mov byte [gdt+LDTS+5], 2',
    code: 'mov ax, LDTS\n.fault: lldt ax',
    expect: `NP(${hex(S.LDTS)}) fault`,
  },
  {
    name: 'LLDT with null, then a use of it',
    place: 'ring0',
    code: 'xor eax, eax\n lldt ax\n mov ax, 0xc\n.fault: mov ds, ax',
    expect: 'GP(c) fault',
  },
  {
    name: 'LTR with a busy TSS',
    place: 'ring0',
    code: 'mov ax, TSSBUSY\n.fault: ltr ax',
    expect: `GP(${hex(S.TSSBUSY)}) fault`,
  },
  { name: 'LTR with null', place: 'ring0', code: 'xor eax, eax\n.fault: ltr ax', expect: 'GP fault' },
  {
    name: 'LTR not present',
    place: 'ring0',
    code: 'mov ax, TSSNP\n.fault: ltr ax',
    expect: `NP(${hex(S.TSSNP)}) fault`,
  },
  {
    name: 'LTR sets the busy bit',
    place: 'ring0',
    code: 'mov ax, TSS2\n ltr ax\n movzx eax, byte [gdt+TSS2+5]',
    expect: { event: 'ok', eax: 0x8b, tr: S.TSS2 },
  },
];

/** A use of a segment that its limit or type forbids. */
const use = (what: string, selector: string, instruction: string, expect: string): Case => ({
  name: what,
  place: 'ring3',
  code: `mov eax, ${selector}\n mov es, ax\n.fault: ${instruction}`,
  expect,
});

const LIMITS: readonly Case[] = [
  use('a byte within the limit', 'SMALL3', 'mov al, [es:0xff]', 'ok'),
  use('a word across the limit', 'SMALL3', 'mov ax, [es:0xff]', 'GP fault'),
  use('a byte beyond the limit', 'SMALL3', 'mov al, [es:0x100]', 'GP fault'),
  use('an expand-down segment below its limit', 'DOWN3', 'mov al, [es:0xfff]', 'GP fault'),
  use('an expand-down segment above its limit', 'DOWN3', 'mov al, [es:0x1000]', 'ok'),
  use('a write to read-only data', 'RODATA3', 'mov [es:user_data], al', 'GP fault'),
  use('a write to code', 'CODE3', 'mov [es:user_data], al', 'GP fault'),
  use('a read through null', '0', 'mov al, [es:user_data]', 'GP fault'),
  {
    name: 'the stack beyond its limit',
    place: 'ring3',
    code: 'mov eax, SMALL3+3\n mov ss, ax\n mov esp, 2\n.fault: pop eax\n nop',
    expect: 'ok',
  },
  {
    name: 'a stack segment exceeded',
    place: 'ring3',
    code: 'mov eax, SMALL3+3\n mov ss, ax\n mov esp, 0xfe\n.fault: pop eax',
    expect: 'SS fault',
  },
  { name: 'EIP beyond the code segment', place: 'ring3', code: '.fault: jmp SMALLCODE3+3:0x1000', expect: 'GP fault' },
];

/** A verification: AL tells whether ZF was set. */
const verify = (instruction: string, what: string, selector: string, zf: number): Case => ({
  name: `${instruction.toUpperCase()} ${what}`,
  place: 'ring3',
  code: `mov eax, ${selector}\n ${instruction} ax\n setz al\n movzx eax, al`,
  expect: { event: 'ok', eax: zf },
});
/** The limit's upper bits are undefined in what LAR gives. */
const inspect = (instruction: string, what: string, place: Place, selector: string, eax: number): Case => ({
  name: `${instruction.toUpperCase()} of ${what} at ${WHERE[place]}`,
  place,
  code: `mov ecx, ${selector}\n mov eax, 0x55555555\n ${instruction} eax, ecx\n${instruction === 'lar' ? ' and eax, 0xfff0ff00' : ''}`,
  expect: { event: 'ok', eax },
});
const UNSEEN = 0x55555555;

const INSPECTIONS: readonly Case[] = [
  verify('verr', 'of own data', 'DATA3', 1),
  verify('verr', 'of data of level 0', 'DATA0', 0),
  verify('verr', 'of execute-only code', 'XOCODE3', 0),
  verify('verr', 'of conforming code', 'CONF', 1),
  verify('verr', 'of null', '0', 0),
  verify('verr', 'of a TSS', 'TSS2', 0),
  verify('verw', 'of own data', 'DATA3', 1),
  verify('verw', 'of read-only data', 'RODATA3', 0),
  verify('verw', 'of code', 'CODE3', 0),
  verify('verw', 'beyond the table', '0x7f8', 0),
  inspect('lar', 'own code', 'ring3', 'CODE3+3', 0xc0fb00),
  inspect('lar', 'code of level 0', 'ring3', 'CODE0', UNSEEN & 0xfff0ff00),
  inspect('lar', 'a call gate', 'ring0', 'GATE', 0x10ec00),
  inspect('lar', 'a TSS', 'ring0', 'TSS2', 0x008900),
  inspect('lar', 'an LDT', 'ring0', 'LDTS', 0x008200),
  inspect('lsl', 'own data', 'ring3', 'DATA3', 0xffffffff),
  inspect('lsl', 'a small segment', 'ring3', 'SMALL3', 0xff),
  inspect('lsl', 'a call gate', 'ring0', 'GATE', UNSEEN),
  inspect('lsl', 'a TSS', 'ring0', 'TSS2', 0x67),
];

/** A far transfer that faults, or arrives at the next instruction. */
const far = (what: string, place: Place, instruction: string, expect: Expectation | string): Case => ({
  name: `${what} at ${WHERE[place]}`,
  place,
  code: `.fault: ${instruction}\n.next:`,
  expect,
});
const GATE_END = 'ok gate_target.end';

const FAR: readonly Case[] = [
  far('JMP to own code', 'ring3', 'jmp CODE3:.next', { event: 'ok', cs: S.CODE3 + 3 }),
  far('JMP to code of level 0', 'ring3', 'jmp CODE0:.next', `GP(${hex(S.CODE0)}) fault`),
  far('JMP to code of level 3', 'ring0', 'jmp CODE3:.next', `GP(${hex(S.CODE3)}) fault`),
  far('JMP with a weak RPL', 'ring0', 'jmp CODE0+3:.next', `GP(${hex(S.CODE0)}) fault`),
  far('JMP to conforming code', 'ring3', 'jmp CONF:.next', { event: 'ok', cs: S.CONF + 3 }),
  far('JMP to data', 'ring0', 'jmp DATA0:.next', `GP(${hex(S.DATA0)}) fault`),
  far('JMP to null', 'ring0', 'jmp 0:.next', 'GP fault'),
  far('JMP beyond the table', 'ring0', 'jmp 0x7f8:.next', 'GP(7f8) fault'),
  far('JMP to code not present', 'ring3', 'jmp NPCODE3:.next', `NP(${hex(S.NPCODE3)}) fault`),
  far('JMP to an LDT', 'ring0', 'jmp LDTS:0', `GP(${hex(S.LDTS)}) fault`),
  far('JMP through a call gate', 'ring0', 'jmp GATE:0', { event: GATE_END, cs: S.CODE0 }),
  far('JMP through a call gate to more privilege', 'ring3', 'jmp GATE:0', `GP(${hex(S.CODE0)}) fault`),
  far('CALL to own code', 'ring3', 'call CODE3:.next', { event: 'ok', cs: S.CODE3 + 3 }),
  far('CALL through a call gate', 'ring3', 'call GATE:0', { event: GATE_END, cs: S.CODE0 }),
  far('CALL through a gate of level 0', 'ring3', 'call GATEDPL0:0', `GP(${hex(S.GATEDPL0)}) fault`),
  far('CALL through a gate with a weak RPL', 'ring0', 'call GATEDPL0+3:0', `GP(${hex(S.GATEDPL0)}) fault`),
  far('CALL through a gate that is not present', 'ring3', 'call GATENP:0', `NP(${hex(S.GATENP)}) fault`),
  far('CALL through a gate to data', 'ring3', 'call GATEDATA:0', `GP(${hex(S.DATA0)}) fault`),
  far('CALL through a gate to code not present', 'ring3', 'call GATENPCODE:0', `NP(${hex(S.NPCODE0)}) fault`),
  far('CALL through a gate to null', 'ring3', 'call GATENULL:0', 'GP fault'),
  far('CALL through a gate to less privilege', 'ring0', 'call GATE3:0', `GP(${hex(S.CODE3)}) fault`),
  far('CALL through a gate to conforming code', 'ring3', 'call GATECONF:0', { event: GATE_END, cs: S.CONF + 3 }),
  far('CALL through a gate to level 1', 'ring3', 'call GATE1:0', { event: GATE_END, cs: S.CODE1 + 1, ss: S.DATA1 + 1 }),
  {
    name: 'a call gate copies parameters',
    place: 'ring3',
    code: 'push 0x111\n push 0x222\n call GATE2:0',
    expect: { event: GATE_END, eax: 0x222 },
  },
  {
    name: 'a call gate of 16 bits',
    place: 'ring3',
    code: 'push word 0x1234\n call GATE16:0',
    expect: { event: 'ok 7', eax: 0x1234, cs: S.CODEATGATE },
  },
  {
    name: 'a call gate with a bad stack',
    place: 'ring3',
    setup: `${handledByTask(10)} mov dword [tss+8], 0`,
    code: '.fault: call GATE:0',
    expect: 'TS fault',
  },
  {
    name: 'RETF to level 3',
    place: 'ring0',
    code: 'push DATA3+3\n push user_stack\n push CODE3+3\n push .next\n retf\n.next: mov eax, ds',
    expect: { event: 'ok', cs: S.CODE3 + 3, ss: S.DATA3 + 3, eax: 0 },
  },
  {
    name: 'RETF releases arguments of both stacks',
    place: 'ring0',
    code: 'push DATA3+3\n push user_stack-64\n push 1\n push 2\n push CODE3+3\n push .next\n retf 8\n.next: lea eax, [user_stack]\n sub eax, esp',
    expect: { event: 'ok', eax: 56 },
  },
  {
    name: 'RETF to more privilege',
    place: 'ring3',
    code: 'push CODE0\n push .next\n.fault: retf\n.next:',
    expect: `GP(${hex(S.CODE0)}) fault`,
  },
  { name: 'RETF to null', place: 'ring3', code: 'push 0\n push .next\n.fault: retf\n.next:', expect: 'GP fault' },
  {
    name: 'RETF to a bad outer stack',
    place: 'ring0',
    code: 'push DATA0\n push user_stack\n push CODE3+3\n push .next\n.fault: retf\n.next:',
    expect: `GP(${hex(S.DATA0)}) fault`,
  },
];

/** IRET at level 0 with a frame, the deepest item first. */
const iret = (what: string, frame: readonly string[], expect: Expectation | string): Case => ({
  name: `IRET ${what}`,
  place: 'ring0',
  code: `${frame.map((item) => `push ${item}`).join('\n')}\n.fault: iretd\n.next:`,
  expect,
});

const IRET: readonly Case[] = [
  iret('to the same level', ['0x3006', 'CODE0', '.next'], { event: 'ok', eflags: 0x3006 }),
  iret('to level 3', ['DATA3+3', 'user_stack', '2', 'CODE3+3', '.next'], {
    event: 'ok',
    cs: S.CODE3 + 3,
    ss: S.DATA3 + 3,
  }),
  iret('to null', ['2', '0', '.next'], 'GP fault'),
  iret('to data', ['2', 'DATA0', '.next'], `GP(${hex(S.DATA0)}) fault`),
  iret('beyond the table', ['2', '0x7f8', '.next'], 'GP(7f8) fault'),
  iret('to code not present', ['DATA3+3', 'user_stack', '2', 'NPCODE3+3', '.next'], `NP(${hex(S.NPCODE3)}) fault`),
  iret('to a null stack', ['3', 'user_stack', '2', 'CODE3+3', '.next'], 'GP fault'),
  iret('to a stack of level 0', ['DATA0', 'user_stack', '2', 'CODE3+3', '.next'], `GP(${hex(S.DATA0)}) fault`),
  iret('to a stack not present', ['NPDATA3+3', 'user_stack', '2', 'CODE3+3', '.next'], `SS(${hex(S.NPDATA3)}) fault`),
  iret('to an EIP beyond the limit', ['DATA3+3', 'user_stack', '2', 'SMALLCODE3+3', '0x1000'], 'GP fault'),
  iret('to code with a wrong RPL', ['2', 'CODE0+1', '.next'], `GP(${hex(S.CODE0)}) fault`),
  {
    name: 'IRET with NT returns to the linked task',
    place: 'ring0',
    setup: 'mov byte [gdt+TSS2+5], 0x8b\n mov word [tss], TSS2',
    code: 'push 0x4002\n popfd\n iretd',
    expect: { event: 'ok task_target.end', tr: S.TSS2, flagsMask: 0x4000, eflags: 0 },
  },
  {
    name: 'IRET with NT and a link to a TSS that is not busy',
    place: 'ring0',
    setup: 'mov word [tss], TSS2',
    code: 'push 0x4002\n popfd\n.fault: iretd',
    expect: `TS(${hex(S.TSS2)}) fault`,
  },
  {
    name: 'IRET with NT and a null link',
    place: 'ring0',
    code: 'push 0x4002\n popfd\n.fault: iretd',
    expect: 'TS fault',
  },
  {
    name: 'IRET to V86 mode',
    place: 'ring0',
    setup: 'mov word [0x8000], 0x40cd',
    code: `push 4\n push 3\n push 2\n push 1\n push ${LOW_SELECTOR}\n push 0xff0\n push 0x23002\n push ${LOW_SELECTOR}\n push 0\n iretd`,
    expect: { event: 'ok 2', cs: LOW_SELECTOR, ss: LOW_SELECTOR, eflags: 0x23002, esp: 0xff0 },
  },
];

const TASK_END = 'ok task_target.end';

const TASKS: readonly Case[] = [
  far('JMP to a TSS', 'ring0', 'jmp TSS2:0', { event: TASK_END, tr: S.TSS2, eax: 0x22222222, eflags: 2 }),
  far('CALL to a TSS', 'ring0', 'call TSS2:0', { event: TASK_END, tr: S.TSS2, eflags: 0x4002 }),
  far('JMP through a task gate', 'ring3', 'jmp TASKGATE:0', { event: TASK_END, tr: S.TSS2 }),
  far('CALL through a task gate', 'ring3', 'call TASKGATE:0', { event: TASK_END, tr: S.TSS2 }),
  far('JMP to a TSS of level 0', 'ring3', 'jmp TSS2:0', `GP(${hex(S.TSS2)}) fault`),
  far('JMP through a task gate of level 0', 'ring3', 'jmp TASKGATE0:0', `GP(${hex(S.TASKGATE0)}) fault`),
  far('JMP through a task gate that is not present', 'ring3', 'jmp TASKGATENP:0', `NP(${hex(S.TASKGATENP)}) fault`),
  far('JMP through a task gate to the LDT', 'ring3', 'jmp TASKGATELDT:0', 'GP(4) fault'),
  far('JMP to a busy TSS', 'ring0', 'jmp TSSBUSY:0', `GP(${hex(S.TSSBUSY)}) fault`),
  far('JMP to a TSS that is not present', 'ring0', 'jmp TSSNP:0', `NP(${hex(S.TSSNP)}) fault`),
  far('JMP to a TSS that is too small', 'ring0', 'jmp TSSSMALL:0', `TS(${hex(S.TSSSMALL)}) fault`),
  {
    name: 'a task comes back by IRET',
    place: 'ring0',
    setup: 'mov dword [tss2+0x20], .task\n jmp .ready\n.task: iretd\n.ready:',
    code: 'call TSS2:0',
    expect: { event: 'ok', tr: S.TSS },
  },
  {
    name: 'JMP clears the busy bit of the old task',
    place: 'ring0',
    setup:
      'mov dword [tss2+0x20], .task\n jmp .ready\n.task: movzx eax, byte [gdt+TSS+5]\n mov ah, [gdt+TSS2+5]\n int 0x40\n.ready:',
    code: 'jmp TSS2:0',
    expect: { event: 'ok ready', eax: 0x8b89 },
  },
  {
    name: 'CALL keeps the busy bit and links',
    place: 'ring0',
    setup:
      'mov dword [tss2+0x20], .task\n jmp .ready\n.task: movzx eax, byte [gdt+TSS+5]\n mov ah, [tss2]\n int 0x40\n.ready:',
    code: 'call TSS2:0',
    expect: { event: 'ok ready', eax: (S.TSS << 8) | 0x8b },
  },
  {
    name: 'a task switch sets CR0.TS',
    place: 'ring0',
    setup: 'mov dword [tss2+0x20], .task\n jmp .ready\n.task: mov eax, cr0\n int 0x40\n.ready:',
    code: 'jmp TSS2:0',
    expect: { event: 'ok ready', eax: 0x80000039 },
  },
  {
    name: 'the T bit of a TSS',
    place: 'ring0',
    setup: 'mov word [tss2+0x64], 1',
    code: 'jmp TSS2:0',
    expect: { event: 'DB task_target', dr6: 0xffff8ff0, tr: S.TSS2 },
  },
  {
    name: 'a TSS of 16 bits',
    place: 'ring0',
    setup: 'mov word [0x8000], 0x40cd',
    code: 'jmp TSS16:0',
    expect: { event: 'ok 8002', eax: 0x1616, tr: S.TSS16, cs: S.CODE16 },
  },
  {
    name: 'a new task with null CS',
    place: 'ring0',
    setup: `${handledByTask(10)} mov dword [tss2+0x4c], 0`,
    code: 'jmp TSS2:0',
    expect: 'TS task_target',
  },
  {
    name: 'a new task with data as CS',
    place: 'ring0',
    setup: `${handledByTask(10)} mov dword [tss2+0x4c], DATA0`,
    code: 'jmp TSS2:0',
    expect: `TS(${hex(S.DATA0)}) task_target`,
  },
  {
    name: 'a new task with CS not present',
    place: 'ring0',
    setup: `${handledByTask(11)} mov dword [tss2+0x4c], NPCODE0`,
    code: 'jmp TSS2:0',
    expect: `NP(${hex(S.NPCODE0)}) task_target`,
  },
  {
    name: 'a new task with null SS',
    place: 'ring0',
    setup: `${handledByTask(10)} mov dword [tss2+0x50], 0`,
    code: 'jmp TSS2:0',
    expect: 'TS task_target',
  },
  {
    name: 'a new task with SS not present',
    place: 'ring0',
    setup: `${handledByTask(12)} mov dword [tss2+0x50], NPDATA0`,
    code: 'jmp TSS2:0',
    expect: `SS(${hex(S.NPDATA0)}) task_target`,
  },
  {
    name: 'a new task with DS beyond the table',
    place: 'ring0',
    setup: `${handledByTask(10)} mov dword [tss2+0x54], 0x7f8`,
    code: 'jmp TSS2:0',
    expect: 'TS(7f8) task_target',
  },
  {
    name: 'a new task with DS not present',
    place: 'ring0',
    setup: `${handledByTask(11)} mov dword [tss2+0x54], NPDATA0`,
    code: 'jmp TSS2:0',
    expect: `NP(${hex(S.NPDATA0)}) task_target`,
  },
  {
    name: 'a new task with a bad LDT',
    place: 'ring0',
    setup: `${handledByTask(10)} mov dword [tss2+0x60], DATA0`,
    code: 'jmp TSS2:0',
    expect: `TS(${hex(S.DATA0)}) task_target`,
  },
];

const IOPL0 = 'mov dword [v86_flags], 0x20002\n or byte [tss+0x70], 1';
const VME = `mov eax, 1\n mov cr4, eax\n ${IOPL0}`;
const VME_VIP = `${VME}\n or dword [v86_flags], 0x100000`;

const V86: readonly Case[] = [
  {
    name: 'V86: division by zero',
    place: 'v86',
    code: '.fault: div ax',
    expect: { event: 'DE fault', cs: LOW_SELECTOR, ss: LOW_SELECTOR, flagsMask: 0x23302, eflags: 0x23002 },
  },
  {
    name: 'V86: INT n with IOPL 3',
    place: 'v86',
    code: 'int 0x30\n.next:',
    expect: { event: '30 next', cs: LOW_SELECTOR },
  },
  { name: 'V86: INT n through a gate of level 0', place: 'v86', code: '.fault: int 0x3c', expect: 'GP(1e2) fault' },
  {
    name: 'V86: INT n to a conforming handler',
    place: 'v86',
    code: '.fault: int 0x3a',
    expect: `GP(${hex(S.CONF)}) fault`,
  },
  { name: 'V86: INT n with IOPL 0', place: 'v86', setup: IOPL0, code: '.fault: int 0x30', expect: 'GP fault' },
  {
    name: 'V86: INT3 does not look at IOPL',
    place: 'v86',
    setup: `${IOPL0}\n mov byte [idt+8*3+5], 0xee`,
    code: 'int3\n.next:',
    expect: 'BP next',
  },
  { name: 'V86: PUSHF with IOPL 0', place: 'v86', setup: IOPL0, code: '.fault: pushf', expect: 'GP fault' },
  { name: 'V86: POPF with IOPL 0', place: 'v86', setup: IOPL0, code: '.fault: popf', expect: 'GP fault' },
  { name: 'V86: IRET with IOPL 0', place: 'v86', setup: IOPL0, code: '.fault: iret', expect: 'GP fault' },
  { name: 'V86: CLI with IOPL 0', place: 'v86', setup: IOPL0, code: '.fault: cli', expect: 'GP fault' },
  { name: 'V86: STI with IOPL 0', place: 'v86', setup: IOPL0, code: '.fault: sti', expect: 'GP fault' },
  {
    name: 'V86: POPF with IOPL 3 leaves IOPL',
    place: 'v86',
    code: 'push word 2\n popf',
    expect: { event: 'ok', eflags: 0x23002 },
  },
  { name: 'V86: PUSHF shows IOPL 3', place: 'v86', code: 'pushf\n pop ax', expect: { event: 'ok', eax: 0x3002 } },
  {
    name: 'V86: segments are of 64 KiB',
    place: 'v86',
    code: 'mov ebx, 0x10000\n.fault: mov al, [ebx]',
    expect: 'GP fault',
  },
  {
    name: 'V86: a stack access beyond 64 KiB',
    place: 'v86',
    code: 'mov sp, 0xffff\n.fault: pop ax',
    expect: 'SS fault',
  },
  {
    name: 'V86 with VME: CLI clears VIF',
    place: 'v86',
    setup: `${VME}\n or dword [v86_flags], 0x80000`,
    code: 'cli',
    expect: { event: 'GP end', flagsMask: 0xa0002, eflags: 0x20002 },
  },
  {
    name: 'V86 with VME: STI sets VIF',
    place: 'v86',
    setup: VME,
    code: 'sti',
    expect: { event: 'GP end', flagsMask: 0xa0002, eflags: 0xa0002 },
  },
  { name: 'V86 with VME: STI with VIP', place: 'v86', setup: VME_VIP, code: '.fault: sti', expect: 'GP fault' },
  {
    name: 'V86 with VME: PUSHF shows VIF as IF',
    place: 'v86',
    setup: `${VME}\n or dword [v86_flags], 0x80000`,
    code: 'xor ax, ax\n pushf\n pop ax',
    expect: { event: 'GP end', eax: 0x3246 },
  },
  { name: 'V86 with VME: PUSHFD', place: 'v86', setup: VME, code: '.fault: pushfd', expect: 'GP fault' },
  {
    name: 'V86 with VME: POPF sets VIF',
    place: 'v86',
    setup: VME,
    code: 'push word 0x202\n popf',
    expect: { event: 'GP end', flagsMask: 0xa3202, eflags: 0xa0002 },
  },
  {
    name: 'V86 with VME: POPF of TF',
    place: 'v86',
    setup: VME,
    code: 'push word 0x102\n.fault: popf',
    expect: 'GP fault',
  },
  {
    name: 'V86 with VME: POPF of IF with VIP',
    place: 'v86',
    setup: VME_VIP,
    code: 'push word 0x202\n.fault: popf',
    expect: 'GP fault',
  },
  {
    name: 'V86 with VME: INT n redirected to the task',
    place: 'v86',
    setup: `${VME}\n mov dword [0xc0], 0x07000100\n mov word [0x7100], 0x0b0f`,
    code: 'int 0x30',
    expect: { event: 'UD 100', cs: 0x700, esp: 0xff0 - 6 },
  },
  {
    name: 'V86 with VME: IRET sets VIF',
    place: 'v86',
    setup: `${VME}\n mov word [0x7100], 0x0b0f`,
    code: 'push word 0x202\n push word 0x700\n push word 0x100\n iret',
    expect: { event: 'UD 100', cs: 0x700, flagsMask: 0xa0002, eflags: 0xa0002 },
  },
  {
    name: 'V86: a far jump loads the base',
    place: 'v86',
    setup: 'mov word [0x7100], 0x0b0f',
    code: 'jmp 0x700:0x100',
    expect: { event: 'UD 100', cs: 0x700 },
  },
];

export const TRANSFER_CASES: readonly Case[] = [...LOADS, ...LIMITS, ...INSPECTIONS, ...FAR, ...IRET, ...TASKS, ...V86];
