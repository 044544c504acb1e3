import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot, bootDisk, driveOf, EXIT, screenOf } from './bios-machine.case.ts';

/**
 * A monitor as EMM386 is one: it runs the code at `v86` in V86 mode and hands every interrupt to the handler of real
 * mode, HLT and INT among them, which raise #GP there. Descriptors: 8 code, 10h data, 18h the TSS.
 */
const MONITOR = `
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  cli
  mov di, 0x9000
  mov si, 0xa000
  xor ecx, ecx
.stub:                       ; push dword VECTOR; jmp common
  mov byte [di], 0x68
  mov [di+1], ecx
  mov byte [di+5], 0xe9
  movzx edx, di
  mov eax, common - 10
  sub eax, edx
  mov [di+6], eax
  mov [si], di
  mov word [si+2], 8
  mov word [si+4], 0x8e00
  add di, 10
  add si, 8
  inc cx
  cmp cx, 256
  jb .stub
  mov dword [0xb004], 0x8f00
  mov word [0xb008], 16
  mov word [0xb066], 0x68
  mov byte [0xd068], 0xff
  lgdt [gdtr]
  lidt [idtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp 8:protected
  bits 32
protected:
  mov ax, 16
  mov ds, ax
  mov ss, ax
  mov esp, 0x8f00
  mov ax, 24
  ltr ax
  push 0
  push 0
  push 0
  push 0
  push 0
  push 0x7000
  push 0x23202                ; VM, IOPL 3, IF
  push 0
  push v86
  iretd
common:
  cmp dword [esp], 13
  je .fault
  push dword [esp]
.fault:
  pushad
  mov ax, 16
  mov ds, ax
  lea ebp, [esp+40]           ; EIP, CS, EFLAGS, ESP, SS of V86 mode
  mov eax, [esp+36]
  cmp dword [esp+32], 13
  jne .reflect
  or eax, eax
  jz .hlt
  shr eax, 3                  ; INT: the error code names the gate
  add dword [ebp], 2
.reflect:
  and eax, 0xff
  sub dword [ebp+12], 6
  movzx edx, word [ebp+16]
  shl edx, 4
  movzx ebx, word [ebp+12]
  add edx, ebx
  mov cx, [ebp]
  mov [edx], cx
  mov cx, [ebp+4]
  mov [edx+2], cx
  mov cx, [ebp+8]
  mov [edx+4], cx
  and dword [ebp+8], 0xfffffcff
  movzx ecx, word [eax*4]
  mov [ebp], ecx
  movzx ecx, word [eax*4+2]
  mov [ebp+4], ecx
  jmp .return
.hlt:
  inc dword [ebp]
.return:
  popad
  add esp, 8
  iretd
gdtr: dw 31
  dd gdt
idtr: dw 2047
  dd 0xa000
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00008900b0002068
  bits 16
`;

/** What such a caller does: it reads a sector, and tells of memory and keys. */
const CALLS_SERVICES = bootDisk(`${MONITOR}
v86:
  mov ax, 0x0e56
  mov bx, 7
  int 0x10
  mov ax, 0x0201
  mov bx, 0x6000
  mov cx, 3
  mov dx, 0x80
  int 0x13
  jc .fail
  mov al, [0x6000]
  out 0xe9, al
  int 0x12
  mov al, ah
  out 0xe9, al
  mov ah, 1
  int 0x16
  mov al, 0
  jz .end
.fail:
  mov al, 1
.end:
  ${EXIT}`);

for (const bus of ['ide', 'virtio', 'ahci'] as const) {
  test(`services answer a caller in V86 mode, whose ${bus} disk is read by interrupts that a monitor hands on`, async () => {
    const { machine, output, exit } = await boot(new Uint8Array(0), {}, [driveOf('disk', CALLS_SERVICES, bus)]);
    assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
    assert.deepEqual(
      [...output].map((character) => character.charCodeAt(0)),
      [2, 0x27e >> 8],
    );
    assert.match(screenOf(machine).join('\n'), /\nV/);
  });
}

/** Calls a service of the BIOS by its address in ROM, as code of 16-bit protected mode does. Selector 10h is the ROM. */
const service = (offset: number) => `pushf\n call 0x10:${offset}\n`;

test('services answer code of 16-bit protected mode', async () => {
  const { machine, output, exit } = await boot(
    bootDisk(`
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7c00
  cli
  lgdt [gdtr]
  lidt [idtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp 8:protected
protected:
  mov ax, 0x18
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov word [0xa000 + 8 * 8], timer
  mov word [0xa000 + 8 * 8 + 2], 8
  mov word [0xa000 + 8 * 8 + 4], 0x8600
  mov word [0xa000 + 0x76 * 8], disk
  mov word [0xa000 + 0x76 * 8 + 2], 8
  mov word [0xa000 + 0x76 * 8 + 4], 0x8600
  sti
  mov ax, 0x0e50
  mov bx, 7
  ${service(0xf065)}
  mov ax, 0x0201
  mov bx, 0x6000
  mov cx, 5
  mov dx, 0x80
  ${service(0xe3fe)}
  jc .fail
  mov al, [0x6000]
  out 0xe9, al
  ${service(0xf841)}
  mov al, ah
  out 0xe9, al
  mov ax, 0x8800
  ${service(0xf859)}
  mov al, ah
  out 0xe9, al
  mov al, 0
  ${EXIT}
.fail:
  mov al, 1
  ${EXIT}
timer:
  push ax
  inc dword [0x46c]
  mov al, 0x20
  out 0x20, al
  pop ax
  iret
disk:
  push ax
  mov byte [0x48e], 0xff
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  pop ax
  iret
gdtr: dw 31
  dd gdt
idtr: dw 2047
  dd 0xa000
gdt: dq 0, 0x00009b000000ffff, 0x00009b0f0000ffff, 0x000093000000ffff`),
  );
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
  assert.deepEqual(
    [...output].map((character) => character.charCodeAt(0)),
    [4, 0x27e >> 8, (31 << 10) >> 8],
  );
  assert.match(screenOf(machine).join('\n'), /\nP/);
});

test('the 32-bit entry of APM, which INT 15h tells, switches the machine off', async () => {
  const { exit } = await boot(
    bootDisk(`
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7c00
  mov ax, 0x5303
  xor bx, bx
  int 0x15
  jc .fail
  mov [entry], ebx
  cli
  lgdt [gdtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp 8:protected
.fail:
  ${EXIT}
  bits 32
protected:
  mov ax, 0x10
  mov ds, ax
  mov ss, ax
  mov esp, 0x7c00
  mov ax, 0x5307
  mov bx, 1
  mov cx, 3
  call far [entry]
stop:
  hlt
  jmp stop
entry: dd 0
  dw 0x18
gdtr: dw 31
  dd gdt
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00409b0f0000ffff
  bits 16`),
  );
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'powerOff', code: 0 });
});

test("an undefined opcode in the upper half of 64-bit addresses is the guest's own", async () => {
  const high = 0xffff_8000_4000_0000n;
  const { output, exit } = await boot(
    bootDisk(`
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7c00
  cli
  mov dword [0x8000], 0x9003   ; one page of 2 MiB, at 0 and in the upper half
  mov dword [0x8800], 0xc003
  mov dword [0x9000], 0xa003
  mov dword [0xc008], 0xa003
  mov dword [0xa000], 0x83
  mov word [0xb060], handler
  mov word [0xb062], 8
  mov word [0xb064], 0x8e00
  mov dword [0xb068], 0
  lgdt [gdtr]
  lidt [idtr]
  mov eax, 0x20
  mov cr4, eax
  mov eax, 0x8000
  mov cr3, eax
  mov ecx, 0xc0000080
  mov eax, 0x100
  xor edx, edx
  wrmsr
  mov eax, 0x80000001
  mov cr0, eax
  jmp 8:long
  bits 64
long:
  mov rax, ${high} + above
  jmp rax
above:
  ud2
handler:
  mov rax, [rsp]
  shr rax, 40
  out 0xe9, al
  mov al, 0
  mov dx, 0x501
  out dx, al
gdtr: dw 15
  dd gdt
idtr: dw 0x6f
  dd 0xb000
  dd 0
gdt: dq 0, 0x00af9b000000ffff`),
  );
  assert.deepEqual(exit, { kind: 'shutdown', reason: 'debugExit', code: 0 });
  assert.equal(output.charCodeAt(0), 0x80);
});
