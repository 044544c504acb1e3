/** System instructions that do what they should: what a user program on the host cannot be made to do. */

import type { Case, Place } from './cases.ts';
import { SELECTORS as S } from './harness32.ts';

/** A case whose code leaves `eax` in EAX. */
const gives = (name: string, place: Place, code: string, eax: number, setup = ''): Case => ({
  name,
  place,
  setup,
  code,
  expect: { event: 'ok', eax },
});

const POINTER = (selector: string): string => `mov dword [user_data], 0x1234\n mov word [user_data+4], ${selector}`;
const pop = (segment: string): Case =>
  gives(
    `POP ${segment.toUpperCase()}`,
    'ring3',
    `push DATA3B16+3\n pop ${segment}\n mov eax, ${segment}`,
    S.DATA3B16 + 3,
  );
const loadPointer = (segment: string): Case =>
  gives(
    `L${segment.toUpperCase()}`,
    'ring3',
    `l${segment} ebx, [user_data]\n mov eax, ${segment}\n shl eax, 16\n or eax, ebx`,
    ((S.DATA3 + 3) << 16) | 0x1234,
    POINTER('DATA3+3'),
  );

/** CR4.OSFXSR and CR4.OSXSAVE, and both kinds of state in XCR0. */
const XSAVE = 'mov eax, 0x40200\n mov cr4, eax\n xor ecx, ecx\n xor edx, edx\n mov eax, 3\n xsetbv';
const saveAndRestore = (save: string, restore: string): string =>
  `fninit\n fld1\n mov eax, 3\n xor edx, edx\n ${save} [user_data]\n fninit\n mov eax, 3\n ${restore} [user_data]\n fistp dword [user_data+1024]\n mov eax, [user_data+1024]`;

export const INSTRUCTION_CASES: readonly Case[] = [
  pop('es'),
  pop('ds'),
  pop('fs'),
  pop('gs'),
  gives('POP SS', 'ring3', 'push DATA3+3\n pop ss\n mov eax, ss', S.DATA3 + 3),
  loadPointer('es'),
  loadPointer('fs'),
  loadPointer('gs'),
  loadPointer('ds'),
  gives('LSS', 'ring3', 'lss esp, [user_data]\n mov eax, esp', 0x1234, POINTER('DATA3+3')),
  {
    name: 'LSS with a null selector changes nothing',
    place: 'ring3',
    setup: POINTER('3'),
    code: 'mov ebx, 7\n.fault: lss ebx, [user_data]',
    expect: 'GP fault',
  },
  {
    name: 'JMP through a far pointer in memory',
    place: 'ring3',
    setup: POINTER('CODE3+3'),
    code: 'mov dword [user_data], .next\n jmp far [user_data]\n.next:',
    expect: { event: 'ok', cs: S.CODE3 + 3 },
  },
  {
    name: 'CALL through a far pointer in memory, and RETF',
    place: 'ring3',
    setup: POINTER('CODE3+3'),
    code: 'mov dword [user_data], .to\n call far [user_data]\n jmp .end\n.to: mov eax, 5\n retf',
    expect: { event: 'ok', eax: 5, cs: S.CODE3 + 3 },
  },
  gives('SIDT', 'ring3', 'sidt [user_data]\n movzx eax, word [user_data]', 65 * 8 - 1),
  gives('SGDT', 'ring3', 'sgdt [user_data]\n mov eax, [user_data+2]\n sub eax, gdt', 0),
  gives('STR', 'ring3', 'str eax', S.TSS),
  gives('SLDT', 'ring3', 'sldt eax', S.LDTS),
  gives('CPUID', 'ring3', 'mov eax, 0x80000000\n cpuid\n cmp eax, 0x80000008\n setae al\n movzx eax, al', 1),
  gives(
    'RDTSC goes on',
    'ring3',
    'rdtsc\n mov ebx, eax\n mov ecx, edx\n rdtsc\n sub eax, ebx\n sbb edx, ecx\n shr edx, 31\n mov eax, edx',
    0,
  ),
  gives(
    'RDTSCP gives TSC_AUX',
    'ring3',
    'rdtscp\n mov eax, ecx',
    5,
    'mov ecx, 0xc0000103\n mov eax, 5\n xor edx, edx\n wrmsr',
  ),
  gives('RDRAND', 'ring3', 'rdrand eax\n setc al\n movzx eax, al', 1),
  gives('RDSEED', 'ring3', 'rdseed eax\n setc al\n movzx eax, al', 1),
  gives('XGETBV', 'ring3', 'xor ecx, ecx\n xgetbv', 3, XSAVE),
  gives('XSAVE and XRSTOR', 'ring3', saveAndRestore('xsave', 'xrstor'), 1, XSAVE),
  gives('XSAVEOPT', 'ring3', saveAndRestore('xsaveopt', 'xrstor'), 1, XSAVE),
  {
    name: 'XRSTOR with a reserved bit in its header',
    place: 'ring3',
    setup: XSAVE,
    code: 'mov dword [user_data+512], 0x10000\n mov eax, 3\n xor edx, edx\n.fault: xrstor [user_data]',
    expect: 'GP fault',
  },
  { name: 'MONITOR at level 3', place: 'ring3', code: '.fault: monitor', expect: 'UD fault' },
  {
    name: 'MONITOR with an extension',
    place: 'ring0',
    code: 'mov eax, user_data\n mov ecx, 1\n.fault: monitor',
    expect: 'GP fault',
  },
  {
    name: 'MWAIT without MONITOR does not wait',
    place: 'ring0',
    code: 'mov eax, user_data\n xor ecx, ecx\n mwait',
    expect: 'ok',
  },
  { name: 'MWAIT with an extension', place: 'ring0', code: 'mov ecx, 2\n.fault: mwait', expect: 'GP fault' },
  gives('MONITOR', 'ring0', 'mov eax, user_data\n xor ecx, ecx\n xor edx, edx\n monitor\n mov eax, 1', 1),
];

const LONG_BASES = 'mov eax, 0x10020\n mov cr4, rax';
const XSAVE_64 = 'mov eax, 0x40220\n mov cr4, rax\n xor ecx, ecx\n xor edx, edx\n mov eax, 3\n xsetbv';

export const LONG_INSTRUCTION_CASES: readonly Case[] = [
  gives(
    'long3: FS base by WRFSBASE',
    'long3',
    'mov ebx, user_data\n wrfsbase rbx\n rdfsbase rax\n sub rax, rbx\n mov dword [rbx+8], 9\n add eax, [fs:8]',
    9,
    LONG_BASES,
  ),
  gives(
    'long3: GS base by WRGSBASE',
    'long3',
    'mov ebx, user_data\n wrgsbase rbx\n rdgsbase rax\n sub rax, rbx\n mov dword [rbx+8], 9\n add eax, [gs:8]',
    9,
    LONG_BASES,
  ),
  gives('long3: XSAVE64 and XRSTOR64', 'long3', saveAndRestore('xsave64', 'xrstor64'), 1, XSAVE_64),
  gives('long3: XSAVEOPT64', 'long3', saveAndRestore('xsaveopt64', 'xrstor64'), 1, XSAVE_64),
  gives('long0: INVPCID of all', 'long0', 'mov ebx, 2\n invpcid rbx, [user_data]\n mov eax, 1', 1),
];
