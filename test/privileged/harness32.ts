/** The 32-bit half of the privileged suite: a multiboot kernel that runs cases one after the other and prints how each ended. */

import { assemble } from '../../src/isa/assemble.ts';
import { END_VECTOR } from './cases.ts';

export const ORIGIN = 0x100000;
/** Where code for real and V86 mode is copied to, and with which selector it runs. */
export const LOW_CODE = 0x8000;
export const LOW_SELECTOR = LOW_CODE >> 4;
const REAL_STUB = 0x9000;
const REAL_RECORD = 0x9800;
export const LOW_CODE_BYTES = 512;

/** Physical pages behind linear 400000h and up, one each. */
export const SCRATCH = 0x300000;

/** The segments that cases use: name, base, limit, access, flags (G D/B L AVL). Selectors follow from the order. */
const DESCRIPTORS: readonly (readonly [string, string, string, number, number])[] = [
  ['CODE0', '0', '0xfffff', 0x9b, 0xc],
  ['DATA0', '0', '0xfffff', 0x93, 0xc],
  ['CODE3', '0', '0xfffff', 0xfb, 0xc],
  ['DATA3', '0', '0xfffff', 0xf3, 0xc],
  ['TSS', 'tss', '0x2067', 0x89, 0],
  ['TSS2', 'tss2', '0x67', 0x89, 0],
  ['TSSDF', 'tssdf', '0x67', 0x89, 0],
  ['LDTS', 'ldt', '0x1f', 0x82, 0],
  ['CONF', '0', '0xfffff', 0x9f, 0xc],
  ['CODE3B16', '0', '0xfffff', 0xfb, 0x8],
  ['NPDATA3', '0', '0xfffff', 0x73, 0xc],
  ['NPCODE3', '0', '0xfffff', 0x7b, 0xc],
  ['RODATA3', '0', '0xfffff', 0xf1, 0xc],
  ['XOCODE3', '0', '0xfffff', 0xf9, 0xc],
  ['DOWN3', '0', '0xfff', 0xf7, 0x4],
  ['SMALL3', 'user_data', '0xff', 0xf3, 0x4],
  ['CODE1', '0', '0xfffff', 0xbb, 0xc],
  ['DATA1', '0', '0xfffff', 0xb3, 0xc],
  ['NPDATA0', '0', '0xfffff', 0x13, 0xc],
  ['NPCODE0', '0', '0xfffff', 0x1b, 0xc],
  ['TSS16', 'tss16', '0x2b', 0x81, 0],
  ['TSSSMALL', 'tss2', '0x66', 0x89, 0],
  ['TSSNP', 'tss2', '0x67', 0x09, 0],
  ['TSSBUSY', 'tss2', '0x67', 0x8b, 0],
  ['CODE16', '0', '0xffff', 0x9b, 0x0],
  ['DATA16', '0', '0xffff', 0x93, 0x0],
  ['SMALLCODE3', '0', '0xfff', 0xfb, 0x4],
  ['STACK0B16', '0', '0xffff', 0x93, 0x0],
  ['DATA3B16', '0', '0xffff', 0xf3, 0x0],
  ['RODATA0', '0', '0xfffff', 0x91, 0xc],
  ['CODEAT38', 'stub16_38', '0xffff', 0x9b, 0x4],
  ['SMALL0', '0', '0xff', 0x93, 0x4],
  ['CODEATGATE', 'gate16_target', '0xffff', 0x9b, 0x4],
];

/** Gates of the GDT: name, selector, offset, access, parameters. */
const GATES: readonly (readonly [string, string, string, number, number])[] = [
  ['GATE', 'CODE0', 'gate_target', 0xec, 0],
  ['GATE2', 'CODE0', 'gate_target', 0xec, 2],
  ['GATE16', 'CODEATGATE', '0', 0xe4, 1],
  ['GATEDPL0', 'CODE0', 'gate_target', 0x8c, 0],
  ['GATENP', 'CODE0', 'gate_target', 0x6c, 0],
  ['GATECONF', 'CONF', 'gate_target', 0xec, 0],
  ['GATEDATA', 'DATA0', 'gate_target', 0xec, 0],
  ['GATENPCODE', 'NPCODE0', 'gate_target', 0xec, 0],
  ['GATENULL', '0', 'gate_target', 0xec, 0],
  ['GATE3', 'CODE3', 'gate_target', 0xec, 0],
  ['GATE1', 'CODE1', 'gate_target', 0xec, 0],
  ['TASKGATE', 'TSS2', '0', 0xe5, 0],
  ['TASKGATE0', 'TSS2', '0', 0x85, 0],
  ['TASKGATENP', 'TSS2', '0', 0x65, 0],
  ['TASKGATELDT', '4', '0', 0xe5, 0],
];

/** Interrupts besides the exceptions: vector, selector, offset, access. */
const INTERRUPTS: readonly (readonly [number, string, string, number])[] = [
  [0x30, 'CODE0', 'stub_30', 0xee],
  [0x31, 'CODE0', 'stub_31', 0xef],
  [0x32, 'CODE0', 'stub_32', 0x6e],
  [0x33, 'NPCODE0', 'stub_33', 0xee],
  [0x34, 'DATA0', 'stub_34', 0xee],
  [0x35, '0', 'stub_35', 0xee],
  [0x36, '0x7f8', 'stub_36', 0xee],
  [0x37, 'CODE0', 'stub_37', 0xec],
  [0x38, 'CODEAT38', '0', 0xe6],
  [0x39, 'TSS2', '0', 0xe5],
  [0x3a, 'CONF', 'stub_3a', 0xee],
  [0x3b, 'CODE3', 'stub_3b', 0xee],
  [0x3c, 'CODE0', 'stub_3c', 0x8e],
  [0x3e, 'TSSNP', '0', 0xe5],
  [END_VECTOR, 'CODE0', 'stub_40', 0xee],
];
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17];
const EXCEPTIONS = 32;

/** Selectors by name. */
export const SELECTORS: Readonly<Record<string, number>> = Object.fromEntries(
  [...DESCRIPTORS, ...GATES].map(([name], index) => [name, 8 * (index + 1)]),
);

const hex = (value: number): string => `0x${value.toString(16)}`;

function descriptor([, base, limit, access, flags]: (typeof DESCRIPTORS)[number]): string {
  return `
    dw ${limit} & 0xffff, ${base} & 0xffff
    db (${base} >> 16) & 0xff, ${hex(access)}, ((${limit} >> 16) & 15) | ${hex(flags << 4)}, ${base} >> 24`;
}

function gate(selector: string, offset: string, access: number, count = 0): string {
  return `    dw ${offset} & 0xffff, ${selector}, ${hex((access << 8) | count)}, ${offset} >> 16`;
}

const gdt = (): string =>
  [
    '    dq 0',
    ...DESCRIPTORS.map(descriptor),
    ...GATES.map(([, selector, offset, access, count]) => gate(selector, offset, access, count)),
  ].join('\n');

function idt(): string {
  const entries: string[] = [];
  for (let vector = 0; vector <= END_VECTOR; vector++) {
    const special = INTERRUPTS.find(([number]) => number === vector);
    if (special) entries.push(gate(special[1], special[2], special[3]));
    else if (vector < EXCEPTIONS) entries.push(gate('CODE0', `stub_${vector.toString(16)}`, 0x8e));
    else entries.push('    dq 0');
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

/** The real-mode part, which runs at REAL_STUB with all segments zero. */
const REAL_SOURCE = `
bits 16
    mov eax, cr0
    and eax, 0x7ffffffe
    mov cr0, eax
    jmp 0:real
real:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7000
    mov di, 0
    mov ax, vector_0
fill:
    mov [di], ax
    mov word [di+2], 0
    add di, 4
    add ax, 8
    cmp di, ${4 * (END_VECTOR + 1)}
    jb fill
    lidt [real_idtr]
    push dword [${REAL_RECORD - 4}]
    popfd
    mov ax, ${LOW_SELECTOR}
    mov ds, ax
    mov es, ax
    xor eax, eax
    jmp ${LOW_SELECTOR}:0
real_idtr:
    dw 0x3ff
    dd 0
    align 8
${Array.from({ length: END_VECTOR + 1 }, (_, vector) => `vector_${vector}: push word ${vector}\n jmp near real_common\n align 8`).join('\n')}
real_common:
    cs mov [${REAL_RECORD}], eax
    xor ax, ax
    mov ds, ax
    xor eax, eax
    pop ax
    mov [${REAL_RECORD + 4}], eax
    pop ax
    mov [${REAL_RECORD + 8}], eax
    pop ax
    mov [${REAL_RECORD + 12}], eax
    pop ax
    mov [${REAL_RECORD + 16}], eax
    mov ax, ss
    mov [${REAL_RECORD + 24}], eax
    mov [${REAL_RECORD + 20}], esp
    cli
    o32 lgdt [${REAL_RECORD + 28}]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    o32 jmp CODE0:real_back
`;

/** The image's program around `cases`, which defines case_table. */
export function harness32(cases: string, count: number): string {
  const names = Object.entries(SELECTORS).map(([name, selector]) => `${name} equ ${hex(selector)}`);
  const stub = (realBack: bigint) =>
    assemble(REAL_SOURCE, { bits: 16, origin: REAL_STUB, symbols: { real_back: realBack, CODE0: SELECTORS.CODE0 } })
      .bytes;
  const body = (realBytes: Uint8Array) => `
bits 32
${names.join('\n')}
header:
    dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000), header, header, image_end, image_end, start
    align 16
real_back:
${REAL_BACK}
start:
    cli
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    mov esp, stack
    jmp next_case
${PROGRAM.replaceAll('CASES', String(count))}
${stubs()}
stub16_38: mov dword [ss:rec_vector], 0x38
    jmp CODE0:finish16
${cases}
    align 16
gdt_template:
${gdt()}
gdt_end:
    align 16
idt_template:
${idt()}
idt_end:
real_stub:
    db ${[...realBytes].join(', ')}
real_stub_end:
${DATA}
`;
  // real_back lies at a fixed place, before anything whose size depends on the real-mode part.
  return body(stub(BigInt(ORIGIN + 32)));
}

const REAL_BACK = `
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, stack
    mov eax, [${REAL_RECORD}]
    mov [rec_eax], eax
    mov eax, [${REAL_RECORD + 4}]
    mov [rec_vector], eax
    mov eax, [${REAL_RECORD + 8}]
    mov [rec_eip], eax
    mov eax, [${REAL_RECORD + 12}]
    mov [rec_cs], eax
    mov eax, [${REAL_RECORD + 16}]
    mov [rec_eflags], eax
    mov eax, [${REAL_RECORD + 20}]
    mov [rec_esp], eax
    mov eax, [${REAL_RECORD + 24}]
    mov [rec_ss], eax
    jmp finish
`;

/** Vectors whose handlers may be tasks of their own: entry points task_8 and so on. */
const TASK_VECTORS = [8, 10, 11, 12, 13, 14];
const TASK_HANDLERS = TASK_VECTORS.map((vector) => `task_${vector}: push ${vector}\n jmp task_common`).join('\n');

/** Setup: exception `vector` is handled by a task of its own, which needs no stack of the TSS. */
export function handledByTask(vector: number): string {
  return `
    mov dword [idt+${8 * vector}], TSSDF << 16
    mov dword [idt+${8 * vector + 4}], 0x8500
    mov dword [tssdf+0x20], task_${vector}
`;
}

const PROGRAM = `
next_case:
    mov esp, stack
    mov ebx, [case_index]
    cmp ebx, CASES
    je the_end
    inc dword [case_index]
    mov [rec_number], ebx
    call restore
    lea ebx, [ebx+ebx*2]
    lea ebx, [case_table+ebx*4]
    mov [case_now], ebx
    call [ebx]
    mov ebx, [case_now]
    mov ecx, [ebx+4]
    mov eax, [ebx+8]
    jmp [places+eax*4]

; A triple fault ends the image.
the_end:
    lidt [no_idt]
    ud2

; Puts everything back that a case may have changed.
restore:
    mov eax, 0x11
    mov cr0, eax
    xor eax, eax
    mov cr4, eax
    xor edx, edx
    mov ecx, 0xc0000080
    wrmsr
    mov esi, gdt_template
    mov edi, gdt
    mov ecx, (gdt_end - gdt_template) / 4
    cld
    rep movsd
    mov esi, idt_template
    mov edi, idt
    mov ecx, (idt_end - idt_template) / 4
    rep movsd
    mov edi, tss
    mov ecx, (tss_end - tss) / 4
    xor eax, eax
    rep stosd
    mov edi, rec_vector
    mov ecx, 11
    rep stosd
    mov edi, user_data
    mov ecx, 1024
    rep stosd
    mov edi, ${SCRATCH}
    mov ecx, 4096
    rep stosd
    mov edi, pdpt
    mov ecx, 2048
    rep stosd
    mov eax, 7
    mov edi, pt0
    mov ecx, 1024
.identity:
    stosd
    add eax, 0x1000
    loop .identity
    mov eax, ${SCRATCH} + 7
    mov ecx, 256
.scratch:
    stosd
    add eax, 0x1000
    loop .scratch
    mov dword [pd], pt0 + 7
    mov dword [pd+4], pt1 + 7
    mov dword [pd+8], 0
    mov dword [tss+4], inner_stack
    mov dword [tss+8], DATA0
    mov dword [tss+12], ring1_stack
    mov dword [tss+16], DATA1 + 1
    mov word [tss+102], 0x88
    mov byte [tss+0x2067], 0xff
    call restore_tasks
    mov dword [case_flags], 2
    mov dword [v86_flags], 0x23002
    lgdt [gdtr]
    lidt [idtr]
    jmp CODE0:.reload
.reload:
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
    mov eax, pd
    mov cr3, eax
    mov eax, 0x80000031
    mov cr0, eax
    xor eax, eax
    mov cr2, eax
    mov dr6, eax
    mov dr7, eax
    push 2
    popfd
    ret

; The second task runs at level 0, the task of double faults reports them.
restore_tasks:
    mov eax, pd
    mov [tss+0x1c], eax
    mov word [tss+0x60], LDTS
    mov [tss2+0x1c], eax
    mov [tssdf+0x1c], eax
    mov dword [tss2+0x20], task_target
    mov dword [tssdf+0x20], task_8
    mov dword [tss2+0x24], 2
    mov dword [tssdf+0x24], 2
    mov dword [tss2+0x28], 0x22222222
    mov dword [tss2+0x38], task_stack
    mov dword [tssdf+0x38], task_stack
    mov edi, tss2+0x48
    call .segments
    mov edi, tssdf+0x48
    call .segments
    mov word [tss16+0x0e], 0x8000
    mov word [tss16+0x10], 2
    mov word [tss16+0x12], 0x1616
    mov word [tss16+0x1a], 0x7000
    mov word [tss16+0x22], DATA16
    mov word [tss16+0x24], CODE16
    mov word [tss16+0x26], DATA0
    mov word [tss16+0x28], DATA16
    ret
.segments:
    mov dword [edi], DATA0
    mov dword [edi+4], CODE0
    mov dword [edi+8], DATA0
    mov dword [edi+12], DATA0
    mov dword [edi+16], DATA0
    mov dword [edi+20], DATA0
    ret

; Ways to enter a case, whose code ECX points to.
enter_ring0:
    mov esp, case_stack
    xor eax, eax
    xor ebx, ebx
    push [case_flags]
    popfd
    jmp ecx
enter_ring1:
    push DATA1 + 1
    push ring1_case_stack
    push [case_flags]
    push CODE1 + 1
    push ecx
    mov ax, DATA1 + 1
    jmp enter_outer
enter_ring3:
    push DATA3 + 3
    push user_stack
    push [case_flags]
    push CODE3 + 3
    push ecx
    mov ax, DATA3 + 3
    jmp enter_outer
enter_ring3b16:
    push DATA3 + 3
    push user_stack
    push [case_flags]
    push CODE3B16 + 3
    push ecx
    mov ax, DATA3 + 3
enter_outer:
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    xor eax, eax
    xor ebx, ebx
    iretd
enter_v86:
    mov esi, ecx
    mov edi, ${LOW_CODE}
    mov ecx, ${LOW_CODE_BYTES}
    rep movsb
    push 0
    push 0
    push ${LOW_SELECTOR}
    push ${LOW_SELECTOR}
    push ${LOW_SELECTOR}
    push 0xff0
    push [v86_flags]
    push ${LOW_SELECTOR}
    push 0
    xor eax, eax
    xor ebx, ebx
    iretd
enter_real:
    mov esi, ecx
    mov edi, ${LOW_CODE}
    mov ecx, ${LOW_CODE_BYTES}
    rep movsb
    mov esi, real_stub
    mov edi, ${REAL_STUB}
    mov ecx, real_stub_end - real_stub
    rep movsb
    mov ax, [gdtr]
    mov [${REAL_RECORD + 28}], ax
    mov eax, [gdtr+2]
    mov [${REAL_RECORD + 30}], eax
    mov eax, [case_flags]
    mov [${REAL_RECORD - 4}], eax
    mov eax, 0x31
    mov cr0, eax
    mov ax, DATA16
    mov ds, ax
    mov es, ax
    mov ss, ax
    jmp CODE16:${REAL_STUB}

; Every handler comes here: vector, error code and the frame are on the stack.
common:
    mov [ss:rec_eax], eax
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    pop [rec_vector]
    pop [rec_error]
    pop [rec_eip]
    pop [rec_cs]
    pop [rec_eflags]
    mov [rec_esp], esp
    mov [rec_ss], ss
    test dword [rec_eflags], 0x20000
    jnz .outer
    mov ax, cs
    and eax, 3
    mov ecx, [rec_cs]
    and ecx, 3
    cmp eax, ecx
    je finish
.outer:
    pop [rec_esp]
    pop [rec_ss]
finish:
    cld
    xor eax, eax
    mov dr7, eax
    mov eax, cr2
    mov [rec_cr2], eax
    mov eax, dr6
    mov [rec_dr6], eax
    str eax
    mov [rec_tr], eax
    mov esp, stack
    mov esi, rec_number
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

; A handler that is a task: error code and vector are on its stack, the rest is in the old TSS.
task_common:
    mov [rec_eax], eax
    pop [rec_vector]
    pop [rec_error]
    movzx eax, word [tssdf]
    cmp eax, TSS2
    mov ecx, tss
    jne .known
    mov ecx, tss2
.known:
    mov eax, [ecx+0x20]
    mov [rec_eip], eax
    mov eax, [ecx+0x24]
    mov [rec_eflags], eax
    mov eax, [ecx+0x38]
    mov [rec_esp], eax
    mov eax, [ecx+0x4c]
    mov [rec_cs], eax
    mov eax, [ecx+0x50]
    mov [rec_ss], eax
    mov eax, [ecx+0x28]
    mov [rec_eax], eax
    jmp finish

; A frame of 16 bits.
finish16:
    mov [ss:rec_eax], eax
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    pop word [rec_eip]
    pop word [rec_cs]
    pop word [rec_eflags]
    pop word [rec_esp]
    pop word [rec_ss]
    jmp finish

; The second task, and where call gates lead: they end the case.
task_target:
    nop
.next:
    int 0x40
.end:
gate16_target:
    movzx eax, word [esp+4]
    int 0x40
gate_target:
    mov eax, [esp+8]
    int 0x40
.end:
${TASK_HANDLERS}

; EAX in hexadecimal.
print:
    push ecx
    mov edx, eax
    mov ecx, 8
.digit:
    rol edx, 4
    mov eax, edx
    and eax, 15
    mov al, [digits+eax]
    out 0xe9, al
    loop .digit
    pop ecx
    ret
digits: db "0123456789abcdef"
places: dd enter_ring0, enter_ring1, enter_ring3, enter_ring3b16, enter_v86, enter_real
`;

/** Tables and stacks. Those that need no first value come last, and are not zero until {@link PROGRAM} fills them. */
const DATA = `
    align 8
gdtr:
    dw gdt_end - gdt_template - 1
    dd gdt
    align 8
idtr:
    dw idt_end - idt_template - 1
    dd idt
    align 8
no_idt:
    dw 0
    dd 0
case_index: dd 0
case_now: dd 0
case_flags: dd 0
v86_flags: dd 0
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
ldt:
    dq 0, 0x00cff3000000ffff, 0x00cffb000000ffff, 0
    align 16
gdt:
    times 64 dq 0
idt:
    times 80 dq 0
    align 4096
pd:
    times 1024 dd 0
pt0:
    times 1024 dd 0
pt1:
    times 1024 dd 0
pdpt: times 512 dq 0
pae_pd: times 512 dq 0
tss:
    times 0x2080 db 0
tss2:
    times 0x80 db 0
tssdf:
    times 0x80 db 0
tss16:
    times 0x80 db 0
tss_end:
    align 4096
user_data:
    times 4096 db 0
    times 1024 dd 0
stack:
    times 256 dd 0
case_stack:
    times 256 dd 0
inner_stack:
    times 256 dd 0
ring1_stack:
    times 256 dd 0
ring1_case_stack:
    times 256 dd 0
task_stack:
    dd 0, 0, 0, 0, 0, 0, 0, 0
    times 256 dd 0
user_stack:
    dd 0, 0, 0, 0
    align 4096
image_end:
`;
