/**
 * From the reset vector to the first trap: the BIOS is copied into the RAM behind it, since traps are recognised there.
 * A program of the 286 that left protected mode by a reset is gone on with.
 */
export const RESET_SOURCE = `
start:
  cli
  cld
  mov al, 0x8f
  out 0x70, al
  in al, 0x71
  mov bl, al                ; why there was a reset
  mov al, 0x8f
  out 0x70, al
  xor al, al
  out 0x71, al

  mov dx, 0xcf8             ; PAM0: read ROM, write RAM
  mov eax, 0x80000058
  out dx, eax
  mov dx, 0xcfc
  mov eax, 0x33332000
  out dx, eax
  mov dx, 0xcf8
  mov eax, 0x8000005c
  out dx, eax
  mov dx, 0xcfc
  mov eax, 0x33333333
  out dx, eax
  cmp bl, 5
  je .shadowed
  cmp bl, 10
  je .shadowed
  mov ax, cs
  mov ds, ax
  mov es, ax
  xor si, si
  xor di, di
  mov cx, 0x4000
  rep movsd
.shadowed:
  mov dx, 0xcf8
  mov eax, 0x80000058
  out dx, eax
  mov dx, 0xcfc
  mov eax, 0x33333000       ; all RAM
  out dx, eax

  xor ax, ax
  mov ds, ax
  cmp bl, 5
  je .resume_eoi
  cmp bl, 10
  je .resume
  mov ss, ax
  mov sp, 0x7c00
  jmp post
.resume_eoi:
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
.resume:
  jmp far [0x467]

post:
  TRAP_postBegin
  sti
  mov ax, 3
  int 0x10
.find:                      ; drives, one after the other
  cli
  TRAP_driveFind
  or al, al
  jz .found
  call disk_action
  jmp .find
.found:
  sti
.rom:                       ; option ROMs
  TRAP_optionRom
  jc .ready
  pushad
  push ds
  push es
  mov bp, sp
  call far [0x467]
  pop es
  pop ds
  popad
  jmp .rom
.ready:
  TRAP_postEnd
  int 0x19
halt:
  sti
  hlt
  jmp halt
`;
