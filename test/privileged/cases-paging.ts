/** Control registers and paging outside long mode. Source: Intel SDM 2, MOV CR, and SDM 3A chapters 2 and 4. */

import type { Case, Expectation, Place } from './cases.ts';
import { SCRATCH } from './harness32.ts';

/** A linear address whose page is entry 1 of `pt1`, and the one after it. */
const PAGE = 0x401000;
const NEXT_PAGE = 0x402000;
const entry = (value: string): string => `mov dword [pt1+4], ${value}`;
const FRAME = SCRATCH + 0x1000;

const P = 1;
const W = 2;
const U = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;

/** An access to PAGE whose entry has these bits. */
function access(what: string, place: Place, bits: number, instruction: string, event: string, setup = ''): Case {
  const code = `.fault: ${instruction}`;
  const expect: Expectation = event.startsWith('PF') ? { event, cr2: PAGE } : { event };
  return {
    name: `${what} at level ${place === 'ring0' ? 0 : 3}`,
    place,
    setup: `${setup}\n${entry(bits === 0 ? '0' : `${FRAME + bits}`)}`,
    code,
    expect,
  };
}

const READ = `mov eax, [${PAGE}]`;
const WRITE = `mov [${PAGE}], eax`;
const EXECUTE = `mov ecx, ${PAGE}\n call ecx`;
const WRITE_PROTECT = 'mov eax, cr0\n or eax, 0x10000\n mov cr0, eax';

const RIGHTS: readonly Case[] = [
  access('a read of a page not present', 'ring0', 0, READ, 'PF fault'),
  access('a write of a page not present', 'ring0', 0, WRITE, 'PF(2) fault'),
  access('a read of a page not present', 'ring3', 0, READ, 'PF(4) fault'),
  access('a write of a page not present', 'ring3', 0, WRITE, 'PF(6) fault'),
  access('a read of a supervisor page', 'ring3', P | W, READ, 'PF(5) fault'),
  access('a write of a supervisor page', 'ring3', P | W, WRITE, 'PF(7) fault'),
  access('a read of a read-only page', 'ring3', P | U, READ, 'ok'),
  access('a write of a read-only page', 'ring3', P | U, WRITE, 'PF(7) fault'),
  access('a write of a read-only page without WP', 'ring0', P, WRITE, 'ok'),
  access('a write of a read-only page with WP', 'ring0', P, WRITE, 'PF(3) fault', WRITE_PROTECT),
  access('a read-modify-write of a read-only page', 'ring3', P | U, `add dword [${PAGE}], 0`, 'PF(7) fault'),
  access('XCHG with a page not present', 'ring3', 0, `xchg [${PAGE}], eax`, 'PF(6) fault'),
  {
    name: 'a double word whose second page is absent',
    place: 'ring3',
    setup: 'mov dword [pt1+8], 0',
    code: `.fault: mov [${NEXT_PAGE - 2}], eax`,
    expect: { event: 'PF(6) fault', cr2: NEXT_PAGE },
  },
  {
    name: 'a directory entry that is not present',
    place: 'ring0',
    code: `.fault: mov eax, [0x800000]`,
    expect: { event: 'PF fault', cr2: 0x800000 },
  },
  {
    name: 'a directory entry that forbids the user',
    place: 'ring3',
    setup: 'mov dword [pd+4], pt1+3',
    code: `.fault: ${READ}`,
    expect: { event: 'PF(5) fault', cr2: PAGE },
  },
  {
    name: 'a directory entry that forbids writes',
    place: 'ring3',
    setup: 'mov dword [pd+4], pt1+5',
    code: `.fault: ${WRITE}`,
    expect: { event: 'PF(7) fault', cr2: PAGE },
  },
  {
    name: 'a fetch from a page not present',
    place: 'ring3',
    setup: entry('0'),
    code: `mov ecx, ${PAGE}\n jmp ecx`,
    expect: { event: `PF(4) ${PAGE.toString(16)}`, cr2: PAGE },
  },
  {
    name: 'a push to a page not present',
    place: 'ring3',
    setup: 'mov dword [pt1+4], 0',
    code: `mov esp, ${NEXT_PAGE}\n.fault: push eax`,
    expect: { event: 'PF(6) fault', cr2: NEXT_PAGE - 4, esp: NEXT_PAGE },
  },
  {
    name: 'a string instruction stops at the page that is not present',
    place: 'ring3',
    setup: 'mov dword [pt1+8], 0',
    code: `mov edi, ${NEXT_PAGE - 8}\n mov ecx, 4\n.fault: rep stosd`,
    expect: { event: 'PF(6) fault', cr2: NEXT_PAGE },
  },
  {
    name: 'POPA whose last register is absent changes nothing',
    place: 'ring3',
    setup: 'mov dword [pt1+8], 0',
    code: `mov eax, 0x1234\n mov esp, ${NEXT_PAGE - 28}\n.fault: popad`,
    expect: { event: 'PF(4) fault', eax: 0x1234, esp: NEXT_PAGE - 28 },
  },
];

const LAZY: readonly Case[] = [
  {
    name: 'a read sets accessed in both entries',
    place: 'ring0',
    code: `${READ}\n mov eax, [pt1+4]\n mov ah, [pd+4]`,
    expect: { event: 'ok', eax: ((FRAME & ~0xffff) | 0x2700 | P | W | U | ACCESSED) >>> 0 },
  },
  {
    name: 'a write sets dirty',
    place: 'ring0',
    code: `${WRITE}\n mov eax, [pt1+4]\n and eax, 0xff`,
    expect: { event: 'ok', eax: P | W | U | ACCESSED | DIRTY },
  },
  {
    name: 'a write that faults does not set dirty',
    place: 'ring3',
    setup: entry(`${FRAME + P + U}`),
    code: `.fault: ${WRITE}`,
    expect: 'PF(7) fault',
  },
  {
    name: 'INVLPG makes a new entry count',
    place: 'ring0',
    code: `mov dword [${PAGE}], 1\n mov dword [${NEXT_PAGE}], 2\n mov eax, [pt1+8]\n mov [pt1+4], eax\n invlpg [${PAGE}]\n mov eax, [${PAGE}]`,
    expect: { event: 'ok', eax: 2 },
  },
  {
    name: 'a load of CR3 makes a new entry count',
    place: 'ring0',
    code: `mov dword [${PAGE}], 1\n mov dword [${NEXT_PAGE}], 2\n mov eax, [pt1+8]\n mov [pt1+4], eax\n mov eax, cr3\n mov cr3, eax\n mov eax, [${PAGE}]`,
    expect: { event: 'ok', eax: 2 },
  },
  {
    name: 'a large page without CR4.PSE is a table',
    place: 'ring0',
    setup: `mov dword [pd+8], pt1 + ${P | W | LARGE}`,
    code: `mov dword [${PAGE}], 7\n mov eax, [0x801000]`,
    expect: { event: 'ok', eax: 7 },
  },
  {
    name: 'a large page',
    place: 'ring0',
    setup: `mov eax, 0x10\n mov cr4, eax\n mov dword [pd+8], ${P | W | LARGE}`,
    code: `mov dword [${PAGE}], 7\n mov eax, [0x800000+${FRAME}]`,
    expect: { event: 'ok', eax: 7 },
  },
  {
    name: 'a large page with a reserved bit',
    place: 'ring0',
    setup: `mov eax, 0x10\n mov cr4, eax\n mov dword [pd+8], ${P | W | LARGE | 0x200000}`,
    code: '.fault: mov eax, [0x800000]',
    expect: { event: 'PF(9) fault', cr2: 0x800000 },
  },
  {
    name: 'a large page sets dirty in the directory',
    place: 'ring0',
    setup: `mov eax, 0x10\n mov cr4, eax\n mov dword [pd+8], ${P | W | LARGE}`,
    code: `mov [0x800000+${FRAME}], eax\n movzx eax, byte [pd+8]`,
    expect: { event: 'ok', eax: P | W | LARGE | ACCESSED | DIRTY },
  },
];

/** PAE tables with the first 4 MiB in large pages, and 400000h up by `pt0`, now of 8-byte entries. */
const PAE_TABLES = `
    mov eax, 0x11
    mov cr0, eax
    mov dword [pdpt], pae_pd + 1
    mov dword [pae_pd], 0x87
    mov dword [pae_pd+8], 0x200087
    mov dword [pae_pd+16], pt0 + 7
    mov edi, pt0
    mov eax, ${SCRATCH} + 7
.fill:
    mov [edi], eax
    mov dword [edi+4], 0
    add eax, 0x1000
    add edi, 8
    cmp edi, pt0 + 4096
    jb .fill
    mov eax, 0x20
    mov cr4, eax
    mov eax, pdpt
    mov cr3, eax`;
const PAE = `${PAE_TABLES}\n mov eax, 0x80000031\n mov cr0, eax`;
const NX = `mov ecx, 0xc0000080\n mov eax, 0x800\n xor edx, edx\n wrmsr\n ${PAE}\n mov dword [pt0+12], 0x80000000`;

const PAE_CASES: readonly Case[] = [
  {
    name: 'PAE: a page',
    place: 'ring3',
    setup: PAE,
    code: `mov dword [${PAGE}], 9\n mov eax, [${FRAME}]`,
    expect: { event: 'ok', eax: 9 },
  },
  {
    name: 'PAE: a page not present',
    place: 'ring3',
    setup: `${PAE}\n mov dword [pt0+8], 0`,
    code: `.fault: ${READ}`,
    expect: { event: 'PF(4) fault', cr2: PAGE },
  },
  {
    name: 'PAE: a reserved bit in a page entry',
    place: 'ring0',
    setup: `${PAE}\n mov dword [pt0+12], 0x40000000`,
    code: `.fault: ${READ}`,
    expect: { event: 'PF(9) fault', cr2: PAGE },
  },
  {
    name: 'PAE: XD without EFER.NXE is reserved',
    place: 'ring0',
    setup: `${PAE}\n mov dword [pt0+12], 0x80000000`,
    code: `.fault: ${READ}`,
    expect: { event: 'PF(9) fault', cr2: PAGE },
  },
  { name: 'PAE: data may be read where execution is disabled', place: 'ring0', setup: NX, code: READ, expect: 'ok' },
  {
    name: 'PAE: a fetch where execution is disabled',
    place: 'ring3',
    setup: NX,
    code: EXECUTE,
    expect: { event: `PF(15) ${PAGE.toString(16)}`, cr2: PAGE },
  },
  {
    name: 'PAE: a reserved bit in a large page',
    place: 'ring0',
    setup: `${PAE}\n mov dword [pae_pd+16], 0x102087`,
    code: '.fault: mov eax, [0x400000]',
    expect: 'PF(9) fault',
  },
  {
    name: 'PAE: a pointer with a reserved bit',
    place: 'ring0',
    setup: PAE_TABLES,
    code: 'mov dword [pdpt], pae_pd + 3\n mov eax, 0x80000031\n.fault: mov cr0, eax',
    expect: 'GP fault',
  },
  {
    name: 'PAE: a load of CR3 checks the pointers',
    place: 'ring0',
    setup: PAE,
    code: 'mov dword [pdpt+8], 0x21\n mov eax, cr3\n.fault: mov cr3, eax',
    expect: 'GP fault',
  },
  {
    name: 'PAE: a pointer counts when CR3 is loaded',
    place: 'ring0',
    setup: PAE,
    code: `mov dword [pdpt], 0\n mov eax, [${PAGE}]`,
    expect: 'ok',
  },
];

const SMEP = 'mov eax, 0x100000\n mov cr4, eax';
const SMAP = 'mov eax, 0x200000\n mov cr4, eax';
/** The image's own pages belong to the supervisor alone, but for PAGE. */
const SUPERVISOR = `mov edi, pt0\n mov ecx, 1024\n.own: and dword [edi], ~4\n add edi, 4\n loop .own\n mov eax, cr3\n mov cr3, eax`;

const SUPERVISOR_CASES: readonly Case[] = [
  {
    name: 'SMEP: a fetch from a user page',
    place: 'ring0',
    setup: `${SUPERVISOR}\n${SMEP}`,
    code: `mov byte [${PAGE}], 0xc3\n ${EXECUTE}`,
    expect: { event: `PF(11) ${PAGE.toString(16)}`, cr2: PAGE },
  },
  {
    name: 'a fetch from a user page without SMEP',
    place: 'ring0',
    setup: SUPERVISOR,
    code: `mov byte [${PAGE}], 0xc3\n ${EXECUTE}`,
    expect: 'ok',
  },
  {
    name: 'SMAP: a read of a user page',
    place: 'ring0',
    setup: `${SUPERVISOR}\n${SMAP}`,
    code: `.fault: ${READ}`,
    expect: { event: 'PF(1) fault', cr2: PAGE },
  },
  {
    name: 'SMAP: a write of a user page',
    place: 'ring0',
    setup: `${SUPERVISOR}\n${SMAP}`,
    code: `.fault: ${WRITE}`,
    expect: { event: 'PF(3) fault', cr2: PAGE },
  },
  {
    name: 'SMAP: a read with AC set',
    place: 'ring0',
    setup: `${SUPERVISOR}\n${SMAP}`,
    code: `stac\n ${READ}\n clac`,
    expect: 'ok',
  },
  {
    name: 'SMAP: CLAC ends it',
    place: 'ring0',
    setup: `${SUPERVISOR}\n${SMAP}`,
    code: `stac\n ${READ}\n clac\n.fault: ${READ}`,
    expect: 'PF(1) fault',
  },
  { name: 'STAC at level 3', place: 'ring3', code: '.fault: stac', expect: 'UD fault' },
];

const control = (what: string, code: string, event = 'GP fault', setup = ''): Case => ({
  name: what,
  place: 'ring0',
  setup,
  code,
  expect: event,
});

const CONTROL: readonly Case[] = [
  control('CR0: paging without protection', 'mov eax, 0x80000030\n.fault: mov cr0, eax'),
  control('CR0: NW without CD', 'mov eax, 0xa0000031\n.fault: mov cr0, eax'),
  control('CR4: a bit that does not exist', 'mov eax, 0x80000000\n.fault: mov cr4, eax'),
  control('CR4: PCIDs outside long mode', 'mov eax, 0x20000\n.fault: mov cr4, eax'),
  control('CR1 does not exist', '.fault: db 0x0f, 0x20, 0xc8', 'UD fault'),
  control('CR5 does not exist', '.fault: db 0x0f, 0x22, 0xe8', 'UD fault'),
  control('EFER: a bit that does not exist', 'mov ecx, 0xc0000080\n mov eax, 2\n xor edx, edx\n.fault: wrmsr'),
  control('EFER: LME while paging is on', 'mov ecx, 0xc0000080\n mov eax, 0x100\n xor edx, edx\n.fault: wrmsr'),
  control(
    'CR0: paging with LME and without PAE',
    'mov eax, 0x80000031\n.fault: mov cr0, eax',
    'GP fault',
    'mov eax, 0x11\n mov cr0, eax\n mov ecx, 0xc0000080\n mov eax, 0x100\n xor edx, edx\n wrmsr',
  ),
  {
    name: 'LMSW cannot clear PE',
    place: 'ring0',
    code: 'xor eax, eax\n lmsw ax\n smsw eax',
    expect: { event: 'ok', eax: 0x80000031 },
  },
  {
    name: 'CLTS',
    place: 'ring0',
    setup: 'mov eax, cr0\n or eax, 8\n mov cr0, eax',
    code: 'clts\n mov eax, cr0',
    expect: { event: 'ok', eax: 0x80000031 },
  },
  {
    name: 'CR2 can be written',
    place: 'ring0',
    code: 'mov eax, 0x12345678\n mov cr2, eax',
    expect: { event: 'ok', cr2: 0x12345678 },
  },
  control('PAT: an invalid type', 'mov ecx, 0x277\n mov eax, 2\n xor edx, edx\n.fault: wrmsr'),
  control('XSETBV without CR4.OSXSAVE', 'xor ecx, ecx\n.fault: xsetbv', 'UD fault'),
  control(
    'XSETBV without x87',
    'xor ecx, ecx\n xor edx, edx\n mov eax, 2\n.fault: xsetbv',
    'GP fault',
    'mov eax, 0x40000\n mov cr4, eax',
  ),
];

export const PAGING_CASES: readonly Case[] = [...RIGHTS, ...LAZY, ...PAE_CASES, ...SUPERVISOR_CASES, ...CONTROL];
