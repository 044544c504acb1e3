/** Long and compatibility mode. Source: Intel SDM 2, SDM 3A chapters 3 to 6. */

import type { Case, Expectation, Place } from './cases.ts';
import { SCRATCH } from './harness32.ts';
import { handledOnOwnStack, SELECTORS_64 as S } from './harness64.ts';

const hex = (value: number): string => value.toString(16);
const PAGE = 0x401000;
const FRAME = SCRATCH + 0x1000;
const idt = (vector: number): string => hex(vector * 8 + 2);
/** The first address that is not canonical. */
const HOLE = '0x800000000000';

const at = (place: Place, name: string, code: string, expect: Expectation | string, setup = ''): Case => ({
  name: `${place}: ${name}`,
  place,
  setup,
  code,
  expect,
});
const invalid = (name: string, bytes: string): Case =>
  at('long3', `${name} does not exist`, `.fault: db ${bytes}`, 'UD fault');

const FAULTS: readonly Case[] = [
  at('long3', 'division by zero', '.fault: div rax', { event: 'DE fault', cs: S.CODE3 + 3, ss: S.DATA3 + 3 }),
  at('compat3', 'division by zero', '.fault: div eax', { event: 'DE fault', cs: S.CODE32 + 3, ss: S.DATA3 + 3 }),
  at('long0', 'division by zero', '.fault: div rax', { event: 'DE fault', cs: S.CODE0, ss: S.DATA0 }),
  invalid('PUSHA', '0x60'),
  invalid('AAA', '0x37'),
  invalid('INTO', '0xce'),
  invalid('LDS', '0xc5, 0x00'),
  invalid('PUSH ES', '0x06'),
  invalid('a direct far jump', '0xea, 0, 0, 0, 0, 8, 0'),
  invalid('BOUND', '0x62, 0x00'),
  invalid('SALC', '0xd6'),
  at('compat3', 'PUSHA exists', 'pusha', 'ok'),
  at('long3', 'an address that is not canonical', `mov rbx, ${HOLE}\n.fault: mov rax, [rbx]`, 'GP fault'),
  at(
    'long3',
    'the last canonical address is not mapped',
    `mov rbx, ${HOLE} - 8\n.fault: mov rax, [rbx]`,
    'PF(4) fault',
  ),
  at('long3', 'a stack address that is not canonical', `mov rbp, ${HOLE}\n.fault: mov rax, [rbp]`, 'SS fault'),
  at('long3', 'PUSH to an address that is not canonical', `mov rsp, ${HOLE} + 0x100\n.fault: push rax`, 'SS fault'),
  at('long3', 'JMP to an address that is not canonical', `mov rbx, ${HOLE}\n.fault: jmp rbx`, 'GP fault'),
  at('long3', 'RET to an address that is not canonical', `mov rbx, ${HOLE}\n push rbx\n.fault: ret`, 'GP fault'),
  at('long0', 'CMPXCHG16B misaligned', '.fault: cmpxchg16b [user_data+8]', 'GP fault'),
  at('long3', 'SYSCALL without EFER.SCE', '.fault: syscall', 'UD fault'),
  at('long3', 'SWAPGS', '.fault: swapgs', 'GP fault'),
  at('long3', 'RDFSBASE without CR4.FSGSBASE', '.fault: rdfsbase rax', 'UD fault'),
  at(
    'long3',
    'WRGSBASE of an address that is not canonical',
    `mov rbx, ${HOLE}\n.fault: wrgsbase rbx`,
    'GP fault',
    'mov eax, 0x10020\n mov cr4, rax',
  ),
  at('long3', 'MOV from CR8', '.fault: mov rax, cr8', 'GP fault'),
];

const GATES: readonly Case[] = [
  at('long3', 'INT n', 'int 0x30\n.next:', { event: '30 next', cs: S.CODE3 + 3, ss: S.DATA3 + 3 }),
  at('compat3', 'INT n', 'int 0x30\n.next:', { event: '30 next', cs: S.CODE32 + 3, ss: S.DATA3 + 3 }),
  at('long0', 'INT n with an interrupt stack', 'int 0x31\n.next:', { event: '31 next', ss: S.DATA0 }),
  at('long3', 'a gate of level 0', '.fault: int 0x3c', `GP(${idt(0x3c)}) fault`),
  at('long3', 'a gate that is not present', '.fault: int 0x32', `NP(${idt(0x32)}) fault`),
  at('long3', 'a handler not present', '.fault: int 0x33', `NP(${hex(S.NPCODE0)}) fault`),
  at('long3', 'a handler in data', '.fault: int 0x34', `GP(${hex(S.DATA0)}) fault`),
  at('long3', 'a handler in null', '.fault: int 0x35', 'GP fault'),
  at('long3', 'a handler beyond the table', '.fault: int 0x36', 'GP(7f8) fault'),
  at('long3', 'a call gate in the IDT', '.fault: int 0x37', `GP(${idt(0x37)}) fault`),
  at('long3', 'a 16-bit gate', '.fault: int 0x38', `GP(${idt(0x38)}) fault`),
  at('long3', 'a task gate', '.fault: int 0x39', `GP(${idt(0x39)}) fault`),
  at('long3', 'a handler in 32-bit code', '.fault: int 0x3b', `GP(${hex(S.CODE32AT0)}) fault`),
  at('long3', 'a handler with L and D', '.fault: int 0x3f', `GP(${hex(S.BOTH)}) fault`),
  at('long3', 'a handler that is not canonical', '.fault: int 0x3d', 'GP fault'),
  at('long3', 'an interrupt stack that is not canonical', '.fault: int 0x3e', 'SS fault'),
  at('long3', 'an entry beyond the IDT', '.fault: int 0x80', `GP(${idt(0x80)}) fault`),
  at('long0', 'a conforming handler', 'int 0x3a\n.next:', '3a next'),
  at(
    'long3',
    'a stack in the TSS that is not canonical',
    '.fault: int 0x30',
    'SS fault',
    `${handledOnOwnStack(12)} mov rax, ${HOLE}\n mov [tss+4], rax`,
  ),
  at(
    'long3',
    'a stack in the TSS that is not mapped',
    '.fault: int 0x30',
    { event: 'PF(2) fault', cr2: 0x800000 - 8 },
    `${handledOnOwnStack(14)} mov qword [tss+4], 0x800000`,
  ),
  at(
    'long3',
    'a fault while a page fault is delivered is a double fault',
    '.fault: mov eax, [0x900000]',
    { event: 'DF fault', cr2: 0x900000 },
    `${handledOnOwnStack(8)} mov rax, ${HOLE}\n mov [tss+4], rax`,
  ),
];

const iret = (name: string, frame: readonly string[], expect: Expectation | string, setup = ''): Case =>
  at(
    'long0',
    `IRET ${name}`,
    `${frame.map((item) => `push ${item}`).join('\n')}\n.fault: iretq\n.next:`,
    expect,
    setup,
  );

const RETURNS: readonly Case[] = [
  iret('to the same level takes the stack', ['DATA0', 'case_stack - 64', '2', 'CODE0', '.next'], {
    event: 'ok',
    ss: S.DATA0,
  }),
  iret('to a null stack at level 0', ['0', 'case_stack', '2', 'CODE0', '.next'], { event: 'ok', ss: 0 }),
  iret('to level 3', ['DATA3+3', 'user_stack', '2', 'CODE3+3', '.next'], { event: 'ok', cs: S.CODE3 + 3 }),
  iret('to compatibility mode', ['DATA3+3', 'user_stack', '2', 'CODE32+3', '.next'], { event: 'ok', cs: S.CODE32 + 3 }),
  iret('to a null stack at level 3', ['3', 'user_stack', '2', 'CODE3+3', '.next'], 'GP fault'),
  iret('to a null stack in compatibility mode', ['3', 'user_stack', '2', 'CODE32+3', '.next'], 'GP fault'),
  iret('to code with L and D', ['DATA0', 'case_stack', '2', 'BOTH', '.next'], `GP(${hex(S.BOTH)}) fault`),
  iret('to a stack not present', ['NPDATA3+3', 'user_stack', '2', 'CODE3+3', '.next'], `SS(${hex(S.NPDATA3)}) fault`),
  at(
    'long0',
    'IRET to an address that is not canonical',
    `push DATA3+3\n push user_stack\n push 2\n push CODE3+3\n mov rbx, ${HOLE}\n push rbx\n.fault: iretq`,
    'GP fault',
  ),
  iret('with NT', ['DATA0', 'case_stack', '2', 'CODE0', '.next'], 'GP fault', 'mov dword [case_flags], 0x4002'),
  iret('ignores VM', ['DATA0', 'case_stack', '0x20002', 'CODE0', '.next'], { event: 'ok', eflags: 2 }),
  at('long0', 'RETF to level 3', 'push DATA3+3\n push user_stack\n push CODE3+3\n push .next\n o64 retf\n.next:', {
    event: 'ok',
    cs: S.CODE3 + 3,
    ss: S.DATA3 + 3,
  }),
  at(
    'long0',
    'RETF to a null stack at level 3',
    'push 3\n push user_stack\n push CODE3+3\n push .next\n.fault: o64 retf\n.next:',
    'GP fault',
  ),
  at('compat3', 'JMP to 64-bit code', 'jmp CODE3+3:.next\n.next:', { event: 'ok', cs: S.CODE3 + 3 }),
];

/** A far call through memory. */
const through = (place: Place, name: string, selector: string, expect: Expectation | string): Case =>
  at(
    place,
    `CALL through ${name}`,
    '.fault: call far [far_target]',
    expect,
    `mov dword [far_target], .here\n mov word [far_target+4], ${selector}\n.here:`,
  );
const GATE_END = 'ok gate_target.end';

const CALLS: readonly Case[] = [
  through('long3', 'a call gate', 'GATE', { event: GATE_END, cs: S.CODE0, ss: 0 }),
  through('compat3', 'a call gate', 'GATE', { event: GATE_END, cs: S.CODE0, ss: 0 }),
  through('long0', 'a call gate at the same level', 'GATE', { event: GATE_END, cs: S.CODE0, ss: S.DATA0 }),
  through('long3', 'a gate of level 0', 'GATEDPL0', `GP(${hex(S.GATEDPL0)}) fault`),
  through('long3', 'a gate that is not present', 'GATENP', `NP(${hex(S.GATENP)}) fault`),
  through('long3', 'a gate to 32-bit code', 'GATE32', `GP(${hex(S.CODE32AT0)}) fault`),
  through('long3', 'a gate to data', 'GATEDATA', `GP(${hex(S.DATA0)}) fault`),
  through('long3', 'a gate whose offset is not canonical', 'GATEFAR', 'GP fault'),
  through('long3', 'a gate whose upper half has a type', 'GATETYPE', `GP(${hex(S.GATETYPE)}) fault`),
  through('long3', 'a gate to conforming code', 'GATECONF', { event: GATE_END, cs: S.CONF + 3 }),
  through('long0', 'a TSS', 'TSS', `GP(${hex(S.TSS)}) fault`),
  through('long0', 'code with L and D', 'BOTH', `GP(${hex(S.BOTH)}) fault`),
];

const SCE = 'mov ecx, 0xc0000080\n mov eax, 0x101\n xor edx, edx\n wrmsr\n';
const toTarget = (setup: string): string =>
  `${SCE} mov ecx, 0xc0000082\n mov eax, .target\n xor edx, edx\n wrmsr\n ${setup}\n jmp .ready\n.target: mov eax, r11d\n int 0x40\n.ready:`;
const SYSENTER =
  'mov ecx, 0x174\n mov eax, CODE0\n xor edx, edx\n wrmsr\n mov ecx, 0x176\n mov eax, .target\n wrmsr\n mov ecx, 0x175\n mov eax, inner_stack\n wrmsr\n jmp .ready\n.target: mov eax, 0x5e\n int 0x40\n.ready:';

const SYSTEM_CALLS: readonly Case[] = [
  at(
    'long3',
    'SYSCALL',
    'syscall',
    { event: 'ok ready', cs: S.CODE0, ss: S.DATA0, eax: 0xad7, eflags: 0x8d7 },
    toTarget('mov ecx, 0xc0000084\n mov eax, 0x200\n wrmsr\n mov dword [case_flags], 0xad7'),
  ),
  at('compat3', 'SYSCALL does not exist', '.fault: db 0x0f, 5', 'UD fault', SCE),
  at(
    'long0',
    'SYSRET',
    'mov rcx, .next\n mov r11, 0x3202\n mov rsp, user_stack\n o64 sysret\n.next:',
    { event: 'ok', cs: S.CODE3 + 3, ss: S.DATA3 + 3, eflags: 0x3202 },
    SCE,
  ),
  at(
    'long0',
    'SYSRET to compatibility mode',
    'mov rcx, .next\n mov r11, 2\n mov rsp, user_stack\n sysret\n.next:',
    { event: 'ok', cs: S.CODE32 + 3, ss: S.DATA3 + 3 },
    SCE,
  ),
  at(
    'long0',
    'SYSRET to an address that is not canonical',
    `mov rcx, ${HOLE}\n mov r11, 2\n.fault: o64 sysret`,
    'GP fault',
    SCE,
  ),
  at('long3', 'SYSRET needs level 0', '.fault: o64 sysret', 'GP fault', SCE),
  at('long3', 'SYSENTER', 'sysenter', { event: 'ok ready', cs: S.CODE0, ss: S.DATA0, eax: 0x5e }, SYSENTER),
  at('compat3', 'SYSENTER', 'sysenter', { event: 'ok ready', cs: S.CODE0, ss: S.DATA0, eax: 0x5e }, SYSENTER),
  at(
    'long0',
    'SYSEXIT to an address that is not canonical',
    `mov rdx, ${HOLE}\n mov rcx, user_stack\n.fault: o64 sysexit`,
    'GP fault',
    SYSENTER,
  ),
];

const control = (name: string, code: string, expect: Expectation | string = 'GP fault', setup = ''): Case =>
  at('long0', name, code, expect, setup);
const msr = (number: string, value: string): string =>
  `mov ecx, ${number}\n mov rbx, ${value}\n mov eax, ebx\n mov rdx, rbx\n shr rdx, 32\n.fault: wrmsr`;

const CONTROL: readonly Case[] = [
  control('CR4 without PAE', 'xor eax, eax\n.fault: mov cr4, rax'),
  control('CR0 without paging', 'mov eax, 0x31\n.fault: mov cr0, rax'),
  control('CR0 with upper bits', 'mov rax, 0x180000031\n.fault: mov cr0, rax'),
  control('CR3 beyond the physical address', 'mov rax, 0x10000000000000\n.fault: mov cr3, rax'),
  control('PCIDs with a used CR3', 'mov rax, cr3\n or eax, 8\n mov cr3, rax\n mov eax, 0x20020\n.fault: mov cr4, rax'),
  control(
    'PCIDs',
    'mov eax, 0x20020\n mov cr4, rax\n mov rax, cr3\n or eax, 5\n bts rax, 63\n mov cr3, rax\n mov rax, cr3\n bt rax, 63\n sbb ebx, ebx\n and eax, 0xfff\n sub eax, ebx',
    { event: 'ok', eax: 5 },
  ),
  control('CR8 above 15', 'mov eax, 16\n.fault: mov cr8, rax'),
  control(
    'CR8',
    'mov eax, 5\n mov cr8, rax\n mov rax, cr8\n mov rbx, rax\n xor ecx, ecx\n mov cr8, rcx\n mov rax, rbx',
    { event: 'ok', eax: 5 },
  ),
  control('EFER without LME', msr('0xc0000080', '0')),
  control('FS base that is not canonical', msr('0xc0000100', HOLE)),
  control('LSTAR that is not canonical', msr('0xc0000082', HOLE)),
  control('SYSENTER_EIP that is not canonical', msr('0x176', HOLE)),
  control('DR7 with upper bits', 'mov rax, 0x100000000\n.fault: mov dr7, rax'),
  control('LTR with a base that is not canonical', 'mov ax, TSSFAR\n.fault: ltr ax', `GP(${hex(S.TSSFAR)}) fault`),
  control('LTR with a busy TSS', 'mov ax, TSSBUSY\n.fault: ltr ax', `GP(${hex(S.TSSBUSY)}) fault`),
  control('LTR with a 16-bit TSS', 'mov ax, TSS16\n.fault: ltr ax', `GP(${hex(S.TSS16)}) fault`),
  control('SS with null', 'xor eax, eax\n mov ss, ax', { event: 'ok', ss: 0 }),
  control('SS with null and another RPL', 'mov eax, 3\n.fault: mov ss, ax'),
  at('long3', 'SS with null', 'mov eax, 3\n.fault: mov ss, ax', 'GP fault'),
  control('LAR of a TSS', 'mov ecx, TSS\n lar eax, ecx\n and eax, 0xfff0ff00', { event: 'ok', eax: 0x8b00 }),
  control('LAR of a 16-bit TSS', 'mov ecx, TSS16\n lar eax, ecx\n setz al', { event: 'ok', eax: 0 }),
  control('LSL of an LDT', 'mov ecx, LDTS\n lsl eax, ecx', { event: 'ok', eax: 0x1f }),
  control(
    'SWAPGS',
    'mov ecx, 0xc0000102\n mov eax, user_data\n xor edx, edx\n wrmsr\n mov dword [user_data], 0x77\n swapgs\n mov eax, [gs:0]',
    { event: 'ok', eax: 0x77 },
  ),
  control(
    'a load of GS clears its upper base',
    'mov ecx, 0xc0000101\n mov edx, 1\n xor eax, eax\n wrmsr\n mov ax, DATA0\n mov gs, ax\n rdmsr\n mov eax, edx',
    { event: 'ok', eax: 0 },
  ),
  at('compat3', 'a segment limit counts', 'mov eax, SMALL3+3\n mov es, ax\n.fault: mov al, [es:0x100]', 'GP fault'),
  at('long3', 'a segment limit does not count', 'mov eax, SMALL3+3\n mov ds, ax\n mov al, [user_data+0x200]', 'ok'),
];

const access = (name: string, place: Place, entry: string, instruction: string, event: string, setup = ''): Case =>
  at(
    place,
    name,
    `.fault: ${instruction}`,
    event.startsWith('PF') ? { event, cr2: PAGE } : event,
    `${setup}\n mov rax, ${entry}\n mov [pt+8], rax`,
  );
const READ = `mov eax, [${PAGE}]`;
const WRITE = `mov [${PAGE}], eax`;
const NXE = 'mov ecx, 0xc0000080\n mov eax, 0x900\n xor edx, edx\n wrmsr';
const fetched = (event: string): Expectation => ({ event: `${event} ${hex(PAGE)}`, cr2: PAGE });

const PAGING: readonly Case[] = [
  access('a read of a page not present', 'long0', '0', READ, 'PF fault'),
  access('a write of a page not present', 'long3', '0', WRITE, 'PF(6) fault'),
  access('a read of a supervisor page', 'long3', `${FRAME + 3}`, READ, 'PF(5) fault'),
  access('a write of a read-only page', 'long3', `${FRAME + 5}`, WRITE, 'PF(7) fault'),
  access(
    'a write of a read-only page with WP',
    'long0',
    `${FRAME + 5}`,
    WRITE,
    'PF(3) fault',
    'mov eax, 0x80010031\n mov cr0, rax',
  ),
  access('bits that belong to software', 'long3', `${FRAME + 7} + (0x7ff << 52)`, READ, 'ok'),
  access('a physical address beyond the width', 'long3', `${FRAME + 7} + (1 << 51)`, READ, 'PF(d) fault'),
  access('XD without EFER.NXE', 'long3', `${FRAME + 7} + (1 << 63)`, READ, 'PF(d) fault'),
  access('data where execution is disabled', 'long3', `${FRAME + 7} + (1 << 63)`, READ, 'ok', NXE),
  at(
    'long3',
    'a fetch where execution is disabled',
    `mov rbx, ${PAGE}\n jmp rbx`,
    fetched('PF(15)'),
    `${NXE}\n bts qword [pt+8], 63`,
  ),
  at('long3', 'XD in the directory', `mov rbx, ${PAGE}\n jmp rbx`, fetched('PF(15)'), `${NXE}\n bts qword [pd+16], 63`),
  at(
    'long3',
    'a supervisor entry above',
    `.fault: ${READ}`,
    { event: 'PF(5) fault', cr2: PAGE },
    'mov dword [pd+16], pt+3',
  ),
  at(
    'long3',
    'a read-only entry above',
    `.fault: ${WRITE}`,
    { event: 'PF(7) fault', cr2: PAGE },
    'mov dword [pd+16], pt+5',
  ),
  at(
    'long0',
    'a page size bit in the top table',
    'mov rbx, 0x8000000000\n.fault: mov rax, [rbx]',
    'PF(9) fault',
    'mov dword [pml4+8], pdpt+0x87',
  ),
  at(
    'long0',
    'a page of 1 GiB',
    `mov dword [${FRAME}], 0x66\n mov rbx, 0x40000000+${FRAME}\n mov eax, [rbx]`,
    { event: 'ok', eax: 0x66 },
    'mov dword [pdpt+8], 0x83',
  ),
  at(
    'long0',
    'a page of 1 GiB with a reserved bit',
    'mov rbx, 0x40000000\n.fault: mov rax, [rbx]',
    'PF(9) fault',
    'mov dword [pdpt+8], 0x100083',
  ),
  at(
    'long0',
    'a large page with a reserved bit',
    '.fault: mov rax, [0x600000]',
    'PF(9) fault',
    'mov dword [pd+24], 0x102083',
  ),
  at(
    'long0',
    'accessed bits in every table',
    `${READ}\n mov al, [pml4]\n and al, [pdpt]\n and al, [pd+16]\n and al, [pt+8]\n and eax, 0x20`,
    { event: 'ok', eax: 0x20 },
  ),
  at(
    'long0',
    'INVLPG',
    `mov eax, 0x20\n mov cr4, rax\n mov dword [${PAGE}], 1\n mov dword [${PAGE + 0x1000}], 2\n mov rax, [pt+16]\n mov [pt+8], rax\n invlpg [${PAGE}]\n mov eax, [${PAGE}]`,
    { event: 'ok', eax: 2 },
  ),
  at('long0', 'INVPCID with a bad type', 'mov ebx, 4\n.fault: invpcid rbx, [user_data]', 'GP fault'),
  at('long3', 'single step', 'nop\n.next: nop', { event: 'DB next', dr6: 0xffff4ff0 }, 'mov dword [case_flags], 0x102'),
  at(
    'compat3',
    'single step',
    'nop\n.next: nop',
    { event: 'DB next', dr6: 0xffff4ff0 },
    'mov dword [case_flags], 0x102',
  ),
];

export const LONG_CASES: readonly Case[] = [
  ...FAULTS,
  ...GATES,
  ...RETURNS,
  ...CALLS,
  ...SYSTEM_CALLS,
  ...CONTROL,
  ...PAGING,
];
