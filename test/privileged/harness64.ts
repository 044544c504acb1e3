/** The 64-bit half of the privileged suite: as harness32.ts, for long and compatibility mode. */

import { END_VECTOR } from './cases.ts';
import { SCRATCH } from './harness32.ts';

/** Segments: name, base, limit, access, flags. SYSRET wants the three of level 3 in this order. */
const DESCRIPTORS: readonly (readonly [string, number, number, number])[] = [
  ['CODE0', 0xfffff, 0x9b, 0xa],
  ['DATA0', 0xfffff, 0x93, 0xc],
  ['CODE32', 0xfffff, 0xfb, 0xc],
  ['DATA3', 0xfffff, 0xf3, 0xc],
  ['CODE3', 0xfffff, 0xfb, 0xa],
  ['CONF', 0xfffff, 0x9f, 0xa],
  ['NPCODE0', 0xfffff, 0x1b, 0xa],
  ['NPDATA3', 0xfffff, 0x73, 0xc],
  ['BOTH', 0xfffff, 0x9b, 0xe],
  ['SMALL3', 0xff, 0xf3, 0x4],
  ['CODE32AT0', 0xfffff, 0x9b, 0xc],
  ['TSS16', 0x67, 0x81, 0],
];

/** Descriptors of 16 bytes: name, base, upper half of the base, limit, access. */
const SYSTEM: readonly (readonly [string, string, string, number, number])[] = [
  ['TSS', 'tss', '0', 0x67, 0x89],
  ['LDTS', 'ldt', '0', 0x1f, 0x82],
  ['TSSFAR', 'tss', '0x8000', 0x67, 0x89],
  ['TSSBUSY', 'tss', '0', 0x67, 0x8b],
];

/** Call gates: name, selector, access, upper half of the offset, what stands beside it. */
const GATES: readonly (readonly [string, string, number, string, number])[] = [
  ['GATE', 'CODE0', 0xec, '0', 0],
  ['GATEDPL0', 'CODE0', 0x8c, '0', 0],
  ['GATENP', 'CODE0', 0x6c, '0', 0],
  ['GATE32', 'CODE32AT0', 0xec, '0', 0],
  ['GATEDATA', 'DATA0', 0xec, '0', 0],
  ['GATEFAR', 'CODE0', 0xec, '0x8000', 0],
  ['GATETYPE', 'CODE0', 0xec, '0', 0x100],
  ['GATECONF', 'CONF', 0xec, '0', 0],
];

/** Interrupts besides the exceptions: vector, selector, access, upper half of the offset, interrupt stack. */
const INTERRUPTS: readonly (readonly [number, string, number, string, number])[] = [
  [0x30, 'CODE0', 0xee, '0', 0],
  [0x31, 'CODE0', 0xee, '0', 1],
  [0x32, 'CODE0', 0x6e, '0', 0],
  [0x33, 'NPCODE0', 0xee, '0', 0],
  [0x34, 'DATA0', 0xee, '0', 0],
  [0x35, '0', 0xee, '0', 0],
  [0x36, '0x7f8', 0xee, '0', 0],
  [0x37, 'CODE0', 0xec, '0', 0],
  [0x38, 'CODE0', 0xe6, '0', 0],
  [0x39, 'TSS', 0xe5, '0', 0],
  [0x3a, 'CONF', 0xee, '0', 0],
  [0x3b, 'CODE32AT0', 0xee, '0', 0],
  [0x3c, 'CODE0', 0x8e, '0', 0],
  [0x3d, 'CODE0', 0xee, '0x8000', 0],
  [0x3e, 'CODE0', 0xee, '0', 7],
  [0x3f, 'BOTH', 0xee, '0', 0],
  [END_VECTOR, 'CODE0', 0xee, '0', 0],
];
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17];
const EXCEPTIONS = 32;

const WIDE = [...SYSTEM.map(([name]) => name), ...GATES.map(([name]) => name)];

/** Selectors by name. */
export const SELECTORS_64: Readonly<Record<string, number>> = Object.fromEntries([
  ...DESCRIPTORS.map(([name], index) => [name, 8 * (index + 1)]),
  ...WIDE.map((name, index) => [name, 8 * (DESCRIPTORS.length + 1) + 16 * index]),
]);

const hex = (value: number): string => `0x${value.toString(16)}`;

function descriptor(base: string, limit: number, access: number, flags: number): string {
  return `
    dw ${limit & 0xffff}, ${base} & 0xffff
    db (${base} >> 16) & 0xff, ${hex(access)}, ${(limit >> 16) | (flags << 4)}, ${base} >> 24`;
}

function gate(selector: string, offset: string, access: number, stack: number): string {
  return `    dw ${offset} & 0xffff, ${selector}, ${hex((access << 8) | stack)}, ${offset} >> 16`;
}

const gdt = (): string =>
  [
    '    dq 0',
    ...DESCRIPTORS.map(([, limit, access, flags]) => descriptor('0', limit, access, flags)),
    ...SYSTEM.map(([, base, upper, limit, access]) => `${descriptor(base, limit, access, 0)}\n    dd ${upper}, 0`),
    ...GATES.map(
      ([, selector, access, upper, beside]) =>
        `${gate(selector, 'gate_target', access, 0)}\n    dd ${upper}, ${hex(beside)}`,
    ),
  ].join('\n');

function idt(): string {
  const entries: string[] = [];
  for (let vector = 0; vector <= END_VECTOR; vector++) {
    const special = INTERRUPTS.find(([number]) => number === vector);
    const [, selector, access, upper, stack] = special ?? [vector, 'CODE0', vector < EXCEPTIONS ? 0x8e : 0, '0', 0];
    entries.push(`${gate(selector, `stub_${vector.toString(16)}`, access, stack)}\n    dd ${upper}, 0`);
  }
  return entries.join('\n');
}

function stubs(): string {
  const lines: string[] = [];
  for (let vector = 0; vector <= END_VECTOR; vector++) {
    const name = vector.toString(16);
    if (!WITH_ERROR_CODE.includes(vector)) lines.push(`stub_${name}: push 0`, `    push ${vector}`);
    else lines.push(`stub_${name}: push ${vector}`);
    lines.push('    jmp common');
  }
  return lines.join('\n');
}

/** Setup: the handler of exception `vector` gets a stack of its own, whatever the TSS holds besides. */
export function handledOnOwnStack(vector: number): string {
  return `mov byte [idt+${16 * vector + 4}], 2\n`;
}

/** The image's program around `cases`, which defines case_table. */
export function harness64(cases: string, count: number): string {
  const names = Object.entries(SELECTORS_64).map(([name, selector]) => `${name} equ ${hex(selector)}`);
  return `
bits 32
${names.join('\n')}
header:
    dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000), header, header, image_end, image_end, start
${PROGRAM.replaceAll('CASES', String(count))}
${stubs()}
${cases}
    align 16
gdt_template:
${gdt()}
gdt_end:
    align 16
idt_template:
${idt()}
idt_end:
${DATA}
`;
}

const PROGRAM = `
start:
    cli
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    mov esp, stack
    mov dword [pml4], pdpt + 7
    mov dword [pdpt], pd + 7
    mov eax, 0x20
    mov cr4, eax
    mov eax, pml4
    mov cr3, eax
    mov ecx, 0xc0000080
    mov eax, 0x100
    xor edx, edx
    wrmsr
    mov dword [pd], 0x87
    mov eax, 0x80000031
    mov cr0, eax
    mov esi, gdt_template
    mov edi, gdt
    mov ecx, (gdt_end - gdt_template) / 4
    cld
    rep movsd
    lgdt [gdtr]
    jmp CODE0:next_case
bits 64
next_case:
    mov esp, stack
    mov ebx, [case_index]
    cmp ebx, CASES
    je the_end
    inc dword [case_index]
    mov [rec_number], ebx
    call restore
    lea ebx, [rbx+rbx*2]
    lea rbx, [case_table+rbx*8]
    mov [case_now], rbx
    call [rbx]
    mov rbx, [case_now]
    mov rcx, [rbx+8]
    mov rax, [rbx+16]
    jmp [places+rax*8]

; A triple fault ends the image.
the_end:
    lidt [no_idt]
    ud2

; Puts everything back that a case may have changed.
restore:
    mov eax, 0x80000031
    mov cr0, rax
    mov rsi, gdt_template
    mov rdi, gdt
    mov ecx, (gdt_end - gdt_template) / 4
    cld
    rep movsd
    mov rsi, idt_template
    mov rdi, idt
    mov ecx, (idt_end - idt_template) / 4
    rep movsd
    xor eax, eax
    mov rdi, tss
    mov ecx, 32
    rep stosd
    mov rdi, rec_vector
    mov ecx, 11
    rep stosd
    mov rdi, user_data
    mov ecx, 1024
    rep stosd
    mov qword [pml4+8], 0
    mov qword [pdpt+8], 0
    mov qword [pd+8], 0x200087
    mov qword [pd+16], pt + 7
    mov qword [pd+24], 0
    mov rdi, pt
    mov eax, ${SCRATCH} + 7
    mov ecx, 512
.scratch:
    mov [rdi], rax
    add rdi, 8
    add eax, 0x1000
    cmp eax, ${SCRATCH} + 0x20007
    jb .scratch
    mov qword [tss+4], inner_stack
    mov qword [tss+36], ist1_stack
    mov qword [tss+44], ist2_stack
    mov rax, 0x800000000000
    mov [tss+84], rax
    mov word [tss+102], 0x68
    mov eax, pml4
    mov cr3, rax
    mov eax, 0x20
    mov cr4, rax
    mov dword [case_flags], 2
    lgdt [gdtr64]
    lidt [idtr]
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov ax, LDTS
    lldt ax
    mov ax, TSS
    ltr ax
    mov ecx, 0xc0000080
    mov eax, 0x100
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000081
    mov eax, 0
    mov edx, CODE0 | (CODE32 << 16)
    wrmsr
    mov ecx, 0xc0000102
    xor edx, edx
    wrmsr
    xor eax, eax
    mov cr2, rax
    mov dr6, rax
    mov dr7, rax
    push 2
    popfq
    ret

; Ways to enter a case, whose code RCX points to.
enter_long0:
    mov rsp, case_stack
    xor eax, eax
    xor ebx, ebx
    push [case_flags]
    popfq
    jmp rcx
enter_long3:
    mov edx, CODE3 + 3
    jmp enter_outer
enter_compat3:
    mov edx, CODE32 + 3
enter_outer:
    push DATA3 + 3
    push user_stack
    push [case_flags]
    push rdx
    push rcx
    mov ax, DATA3 + 3
    mov ds, ax
    mov es, ax
    xor eax, eax
    xor ebx, ebx
    iretq

; Every handler comes here: vector, error code and the frame are on the stack.
common:
    mov [rec_eax], eax
    cld
    xor eax, eax
    mov dr7, rax
    pop rax
    mov [rec_vector], eax
    pop rax
    mov [rec_error], eax
    pop rax
    mov [rec_eip], eax
    pop rax
    mov [rec_cs], eax
    pop rax
    mov [rec_eflags], eax
    pop rax
    mov [rec_esp], eax
    pop rax
    mov [rec_ss], eax
    mov rax, cr2
    mov [rec_cr2], eax
    mov rax, dr6
    mov [rec_dr6], eax
    str eax
    mov [rec_tr], eax
    mov rsp, stack
    mov rsi, rec_number
    mov ecx, 12
.word:
    lodsd
    call print
    mov al, ' '
    cmp ecx, 1
    jne .separator
    mov al, 10
.separator:
    out 0xe9, al
    loop .word
    jmp next_case

; Where call gates lead.
gate_target:
    mov rax, [rsp+24]
    int 0x40
.end:

; EAX in hexadecimal.
print:
    push rcx
    mov edx, eax
    mov ecx, 8
.digit:
    rol edx, 4
    mov eax, edx
    and eax, 15
    mov al, [digits+rax]
    out 0xe9, al
    loop .digit
    pop rcx
    ret
digits: db "0123456789abcdef"
    align 8
places: dq enter_long0, enter_long3, enter_compat3
`;

const DATA = `
    align 8
gdtr:
    dw gdt_end - gdt_template - 1
    dd gdt
    align 8
gdtr64:
    dw gdt_end - gdt_template - 1
    dq gdt
    align 8
idtr:
    dw idt_end - idt_template - 1
    dq idt
    align 8
no_idt:
    dw 0
    dq 0
    align 8
case_now: dq 0
case_flags: dq 0
case_index: dd 0
rec_number: dd 0
rec_vector: dd 0
rec_error: dd 0
rec_eip: dd 0
rec_cs: dd 0
rec_eflags: dd 0
rec_esp: dd 0
rec_ss: dd 0
rec_eax: dd 0
rec_cr2: dd 0
rec_dr6: dd 0
rec_tr: dd 0
    align 16
far_target: dq 0, 0
ldt:
    dq 0, 0x00cff3000000ffff, 0, 0
    align 16
gdt:
    times 64 dq 0
idt:
    times 160 dq 0
    align 4096
pml4:
    times 512 dq 0
pdpt:
    times 512 dq 0
pd:
    times 512 dq 0
pt:
    times 512 dq 0
tss:
    times 0x80 db 0
    align 4096
user_data:
    times 4096 db 0
    times 512 dq 0
stack:
    times 128 dq 0
case_stack:
    times 128 dq 0
inner_stack:
    times 128 dq 0
ist1_stack:
    times 128 dq 0
ist2_stack:
    times 128 dq 0
user_stack:
    dq 0, 0
    align 4096
image_end:
`;
