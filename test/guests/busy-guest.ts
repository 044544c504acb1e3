import { multibootKernel } from './multiboot.ts';

const IDT = 0x8000;
const PAGE_DIRECTORY = 0x10000;
const PAGE_TABLE = 0x11000;
/** Where interrupts are written down: the instruction before which each came, and when. */
const LOG = 0x200000;
const BUFFER = 0x300000;
/** A page that moves between frames, and whose accessed and dirty bits are cleared behind the TLB's back. */
const WINDOW = 0x3f0000;
const APIC = 0xfee00000;

const PREPARE = `
  mov esp, 0x7000
  lgdt [gdt_pointer]
  jmp 8:flat
flat:
  mov ax, 16
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov edi, ${IDT}
  mov ecx, 256
gate:
  mov eax, pit_handler
  cmp ecx, 256 - 0x40
  jne other
  mov eax, apic_handler
other:
  mov edx, eax
  and eax, 0xffff
  or eax, 8 << 16
  and edx, 0xffff0000
  or edx, 0x8e00
  mov [edi], eax
  mov [edi+4], edx
  add edi, 8
  loop gate
  lidt [idt_pointer]
  mov edi, ${PAGE_TABLE}
  mov eax, 3
  mov ecx, 1024
page:
  stosd
  add eax, 4096
  loop page
  mov edi, ${PAGE_DIRECTORY}
  mov dword [edi], ${PAGE_TABLE} + 3
  mov dword [edi + (${APIC} >> 22) * 4], (${APIC} & 0xffc00000) + 0x9b
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, ${PAGE_DIRECTORY}
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax`;

const outs = (writes: readonly (readonly [port: number, value: number])[]) =>
  writes.map(([port, value]) => `  mov al, ${value}\n  mov dx, ${port}\n  out dx, al`).join('\n');

/** PICs at vectors 20h and 28h with the timer alone, the timer every 97 ticks, COM1 with FIFOs, the APIC's one-shot timer. */
const PREPARE_CHIPS = `
${outs([
  [0x20, 0x11],
  [0x21, 0x20],
  [0x21, 4],
  [0x21, 1],
  [0x21, 0xfe],
  [0xa0, 0x11],
  [0xa1, 0x28],
  [0xa1, 2],
  [0xa1, 1],
  [0xa1, 0xff],
  [0x43, 0x34],
  [0x40, 97],
  [0x40, 0],
  [0x3fa, 0x07],
  [0x3fc, 0x03],
])}
  mov dword [${APIC} + 0xf0], 0x1ff
  mov dword [${APIC} + 0x3e0], 0xb
  mov dword [${APIC} + 0x320], 0x40
  sti`;

const TURN = `
turn:
  inc ebp
  rdtsc                          ; time, by three clocks
  xor [checksum], eax
  mov al, 0
  out 0x43, al
  in al, 0x40
  rol dword [checksum], 3
  xor [checksum], al
  in al, 0x40
  xor [checksum], al
  mov eax, [${APIC} + 0x390]
  add [checksum], eax
  mov ecx, ebp                   ; strings of changing length
  and ecx, 0x1ff
  inc ecx
  mov edi, ${BUFFER}
  mov eax, ebp
  rep stosd
  mov esi, ${BUFFER}
  lea edi, [esi + 0x1003]
  mov ecx, ebp
  and ecx, 0x3ff
  rep movsb
  mov ecx, 0x200
  mov edi, ${BUFFER}
  mov eax, ebp
  repe scasd
  add [checksum], ecx
  inc dword [patched + 1]        ; code that changes in its own block
  nop
patched:
  mov eax, 5
  add [checksum], eax
  test ebp, 15                   ; a page that moves
  jnz unmoved
  xor dword [${PAGE_TABLE} + (${WINDOW} >> 12) * 4], 0x8000
  test ebp, 16
  jnz unmoved                    ; and is not flushed
  invlpg [${WINDOW}]
unmoved:
  mov [${WINDOW} + 8], ebp
  and dword [${PAGE_TABLE} + (${WINDOW} >> 12) * 4], 0xffffff9f
  test ebp, 1
  jz untouched
  mov eax, [${WINDOW} + 8]
  add [checksum], eax
untouched:
  and dword [${PAGE_TABLE} + (code_page >> 12) * 4], 0xffffff9f
  call code_page
  test ebp, 7                    ; an alarm before the one that is armed
  jnz unarmed
  mov eax, ebp
  and eax, 0x3ff
  inc eax
  mov [${APIC} + 0x380], eax
unarmed:
  test ebp, 31
  jnz unprinted
  mov dx, 0x3f8
  mov al, [checksum]
  and al, 15
  add al, 'A'
  out dx, al
  mov dx, 0x3fd
  in al, dx
  test al, 1
  jz unprinted
  mov dx, 0x3f8
  in al, dx
  add [checksum], al
  out dx, al
unprinted:
  test ebp, 63
  jnz turn
  mov eax, cr3
  mov cr3, eax
  hlt
  cli
  mov ecx, 40
masked:
  loop masked
  sti
  jmp turn`;

const HANDLERS = `
apic_handler:
  push eax
  mov dword [${APIC} + 0xb0], 0
  jmp note
pit_handler:
  push eax
  mov al, 0x20
  out 0x20, al
note:
  push edx
  push ebx
  mov ebx, [count]
  and ebx, 0x3fff
  rdtsc
  mov [${LOG} + ebx * 8], eax
  mov eax, [esp + 12]
  mov [${LOG} + ebx * 8 + 4], eax
  inc dword [count]
  pop ebx
  pop edx
  pop eax
  iretd`;

const DATA = `
align 8
count: dd 0
checksum: dd 1
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer: dw 23
  dd gdt
idt_pointer: dw 0x7ff
  dd ${IDT}
align 4096
code_page:
  rol dword [checksum], 1
  ret`;

/**
 * A guest that does everything whose moment matters: clocks read inside blocks, timer interrupts that are written down,
 * alarms armed before others, interrupted strings, code that changes itself, page tables changed with and without
 * flushing, HLT, serial output and input. What it sees goes into a checksum in its memory.
 */
export function busyGuest(): Uint8Array {
  return multibootKernel([PREPARE, PREPARE_CHIPS, TURN, HANDLERS, DATA].join('\n'));
}
