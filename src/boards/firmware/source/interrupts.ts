/** Interrupts of hardware and small services: whatever waits, nests or sends an EOI. */
export const INTERRUPT_SOURCE = `
int08:
  push ax
  push ds
  xor ax, ax
  mov ds, ax
  inc dword [0x46c]
  cmp dword [0x46c], 0x1800b0
  jb .day
  mov dword [0x46c], 0
  inc byte [0x470]
.day:
  cmp byte [0x440], 0
  je .motor
  dec byte [0x440]
  jnz .motor
  push dx
  and byte [0x43f], 0xf0
  mov al, 0x0c
  mov dx, 0x3f2
  out dx, al
  pop dx
.motor:
  int 0x1c
  cli
  mov al, 0x20
  out 0x20, al
  pop ds
  pop ax
  iret

int09:
  push ax
  push bx
  push ds
  mov al, 0xad              ; the keyboard keeps quiet meanwhile
  out 0x64, al
  in al, 0x60
  push ax
  mov al, 0xae
  out 0x64, al
  pop ax
  sti
  mov ah, 0x4f
  stc
  int 0x15
  jnc .taken
  cli
  TRAP_keyPressed           ; AH: what is left to do
  cmp ah, 1
  je .break
  cmp ah, 2
  je .print
  cmp ah, 3
  je .pause
  cmp ah, 4
  je .reset
.taken:
  cli
  mov al, 0x20
  out 0x20, al
.done:
  pop ds
  pop bx
  pop ax
  iret
.break:
  mov al, 0x20
  out 0x20, al
  int 0x1b
  jmp .done
.print:
  mov al, 0x20
  out 0x20, al
  int 5
  jmp .done
.pause:
  mov al, 0x20
  out 0x20, al
  xor ax, ax
  mov ds, ax
.paused:
  sti
  hlt
  test byte [0x418], 8
  jnz .paused
  jmp .done
.reset:
  xor ax, ax
  mov ds, ax
  mov word [0x472], 0x1234
  mov dx, 0xcf9
  mov al, 6
  out dx, al
  jmp halt

irq2:
irq5:
irq7:
irq_master:
  push ax
  mov al, 0x20
  out 0x20, al
  pop ax
dummy:
  iret

irq_slave:
  push ax
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop ax
  iret

int0e:                      ; floppy
  push ax
  push ds
  xor ax, ax
  mov ds, ax
  or byte [0x43e], 0x80
  pop ds
  mov al, 0x20
  out 0x20, al
  pop ax
  iret

int76:                      ; IDE, both channels
int77:
  push ax
  push ds
  xor ax, ax
  mov ds, ax
  mov byte [0x48e], 0xff
  pop ds
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop ax
  iret

int70:                      ; real-time clock
  push ax
  push bx
  push ds
  push es
  TRAP_clockInterrupt       ; AL: 1 alarm
  mov ah, al
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  cmp ah, 1
  jne .quiet
  int 0x4a
.quiet:
  pop es
  pop ds
  pop bx
  pop ax
  iret

int71:                      ; IRQ 9 takes the place of IRQ 2
  push ax
  mov al, 0x20
  out 0xa0, al
  pop ax
  int 0x0a
  iret

int74:                      ; mouse
  pushad
  push ds
  push es
  TRAP_mouseInterrupt       ; AL: 1 a packet is complete: BX, CX, DX, SI its words, ES:DI the handler
  cmp al, 1
  jne .quiet
  push bx
  push cx
  push dx
  push si
  push cs
  push .back
  push es
  push di
  sti
  retf
.back:
  add sp, 8
  cli
.quiet:
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop es
  pop ds
  popad
  iret

int75:                      ; x87
  push ax
  xor al, al
  out 0xf0, al
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop ax
  int 2
  iret

int10:
  TRAP_video
  iret

int11:
  TRAP_equipment
  iret

int12:
  TRAP_memorySize
  iret

int14:
  cmp ah, 1
  je .wait
  cmp ah, 2
  je .wait
.now:
  TRAP_serial
  iret
.wait:
  TRAP_serialReady          ; carry: not yet
  jnc .now
  sti
  hlt
  cli
  jmp .wait

int15:
  cmp ah, 0x86
  je .delay
  cmp ah, 0x4f
  je .key
  TRAP_system
  iret
.key:
  push bp
  mov bp, sp
  or byte [bp+6], 1
  pop bp
  iret
.delay:
  push eax
  push ebx
  TRAP_delayBegin           ; EBX: PM timer ticks to wait; EAX: the timer now
  push ecx
  push edx
.tick:
  mov ecx, eax
  mov dx, 0x608
  in eax, dx
  sub eax, ecx
  and eax, 0xffffff
  cmp eax, ebx
  jae .over
  mov eax, ecx
  jmp .tick
.over:
  pop edx
  pop ecx
  pop ebx
  pop eax
  mov ah, 0
  push bp
  mov bp, sp
  and byte [bp+6], 0xfe
  pop bp
  iret

int16:
  cmp ah, 0
  je .read
  cmp ah, 0x10
  je .read
  cmp ah, 0x20
  je .read
  TRAP_keyboard
  iret
.read:
  cli
  TRAP_keyRead              ; carry: none yet
  jnc .got
  sti
  hlt
  jmp .read
.got:
  iret

int17:
  TRAP_printer
  iret

int1a:
  TRAP_clock
  iret

int13:
  push ds
  push es
  pushad
  cli
  TRAP_diskBegin
.more:
  cli
  TRAP_diskStep             ; AL: what to do next
  or al, al
  jz .done
  call disk_action
  jmp .more
.done:
  popad
  pop es
  pop ds
  iret

disk_action:                ; AL: 1 wait, 2 REP INSW, 3 REP OUTSW; DX port, ES:DI memory, CX words; 4 poll
  cmp al, 1
  jne .data
  sti
  hlt
  ret
.data:
  cmp al, 4
  jne .move
  sti
  pause
  ret
.move:
  cld
  cmp al, 2
  jne .out
  rep insw
  ret
.out:
  push ds
  push es
  pop ds
  mov si, di
  rep outsw
  pop ds
  ret

int18:
  TRAP_noBoot
  mov ah, 0
  int 0x16
  int 0x19
  jmp halt

int19:
  xor ax, ax
  mov ds, ax
  mov es, ax
  cli
  mov ss, ax
  mov sp, 0x7c00
  sti
  TRAP_bootBegin
.next:
  cli
  TRAP_bootNext             ; AL: 0 nothing left, 1 read a sector with DL, 2 jump, 3 ask, 4 read with the packet at DS:SI, 5 wait, 6 call
  cmp al, 0
  je .none
  cmp al, 2
  je .go
  cmp al, 3
  je .menu
  cmp al, 4
  je .packet
  cmp al, 5
  je .wait
  cmp al, 6
  je .network
  sti
  mov ax, 0x0201            ; two tries
  mov bx, 0x7c00
  mov cx, 1
  mov dh, 0
  int 0x13
  jnc .read
  mov ah, 0
  int 0x13
  mov ax, 0x0201
  mov bx, 0x7c00
  mov cx, 1
  mov dh, 0
  int 0x13
.read:
  TRAP_bootRead
  jmp .next
.wait:
  sti
  hlt
  jmp .next
.packet:
  sti
  push ds
  mov ds, [0x40e]
  mov ah, 0x42
  int 0x13
  pop ds
  jmp .read
.menu:
  sti
  mov ah, 0
  int 0x16
  TRAP_bootChoice
  jmp .next
.network:                   ; an option ROM boots, and returns where it cannot
  sti
  call far [0x467]
  xor ax, ax
  mov ds, ax
  mov es, ax
  TRAP_bootReturned
  jmp .next
.go:
  TRAP_bootGo
  jmp far [0x467]
.none:
  int 0x18

pci32:                      ; PCI BIOS for 32-bit code
  bits 32
  TRAP_pci32
  retf
bios32:
  TRAP_bios32
  retf
apm32:
  TRAP_apmCall
  retf
  bits 16
apm16:
  TRAP_apmCall
  retf

pnp:                        ; no function of Plug and Play is supported; BIOSes with its header start ROMs as it says
  mov ax, 0x82
  retf
`;
