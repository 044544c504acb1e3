import { assemble } from '../../src/isa/assemble.ts';

/** A call of a BIOS service: its name, the code that makes it, and what it shows of the result. */
export type ServiceCall = readonly [name: string, code: string, shown: string];

const READ_CELL = 'mov ah, 8\n mov bh, 0\n int 0x10';
const at = (row: number, column: number) => `mov ah, 2\n mov bh, 0\n mov dx, ${row * 256 + column}\n int 0x10`;
const video = (code: string) => `${code}\n int 0x10`;
const vbeMode = (mode: number) => `mov di, 0x7000\n mov cx, ${mode}\n mov ax, 0x4f01\n int 0x10`;

/** What programs use of a BIOS. Words in memory are shown as [address]. */
export const SERVICE_CALLS: readonly ServiceCall[] = [
  ['10/0f mode', video('mov ah, 15'), 'ax bh'],
  ['10/03 cursor', `${at(5, 16)}\n${video('mov ah, 3\n mov bh, 0')}`, 'cx dx'],
  ['10/0e wraps', `${at(0, 79)}\n${video('mov ax, 0x0e41')}\n${video('mov ah, 3\n mov bh, 0')}`, 'dx'],
  ['10/08 cell', `${at(0, 79)}\n${READ_CELL}`, 'ax'],
  ['10/0e scrolls', `${at(24, 79)}\n${video('mov ax, 0x0e42')}\n${video('mov ah, 3\n mov bh, 0')}`, 'dx'],
  ['10/08 scrolled', `${at(23, 79)}\n${READ_CELL}`, 'ax'],
  [
    '10/0e controls',
    `${at(3, 5)}\n${['08', '0d', '0a', '07'].map((c) => video(`mov ax, 0x0e${c}`)).join('\n')}\n${video('mov ah, 3\n mov bh, 0')}`,
    'dx',
  ],
  [
    '10/09 cells',
    `${at(10, 78)}\n${video('mov ax, 0x0958\n mov bx, 0x1e\n mov cx, 4')}\n${at(11, 1)}\n${READ_CELL}`,
    'ax',
  ],
  ['10/0a cells', `${at(10, 78)}\n${video('mov ax, 0x0a59\n mov bx, 0\n mov cx, 1')}\n${READ_CELL}`, 'ax'],
  [
    '10/06 window',
    `${video('mov ax, 0x0602\n mov bh, 0x70\n mov cx, 0x0500\n mov dx, 0x144f')}\n${at(8, 78)}\n${READ_CELL}`,
    'ax',
  ],
  ['10/06 blank', `${at(0x14, 3)}\n${READ_CELL}`, 'ax'],
  [
    '10/07 window',
    `${video('mov ax, 0x0701\n mov bh, 0x17\n mov cx, 0x0500\n mov dx, 0x144f')}\n${at(9, 78)}\n${READ_CELL}`,
    'ax',
  ],
  [
    '10/13 string',
    `mov bp, text\n${video('mov ax, 0x1301\n mov bx, 0x2f\n mov cx, 4\n mov dx, 0x0c0a')}\n${video('mov ah, 3\n mov bh, 0')}`,
    'dx',
  ],
  ['10/13 cell', `${at(12, 12)}\n${READ_CELL}`, 'ax'],
  ['10/05 page', `${video('mov ax, 0x0502')}\n${video('mov ah, 15')}`, 'ax bh [0x44e]'],
  ['10/05 back', video('mov ax, 0x0500'), '[0x44e]'],
  ['10/1a display', video('mov ax, 0x1a00'), 'ax bx'],
  ['10/1130 font', `${video('mov ax, 0x1130\n mov bh, 6')}\n push cs\n pop es`, 'cx dl'],
  ['10/12 ega', video('mov ax, 0x1200\n mov bx, 0x10'), 'bx cx'],
  ['10/1015 color', video('mov ax, 0x1015\n mov bx, 0x14'), 'cx dh'],
  ['10/1007 palette', video('mov ax, 0x1007\n mov bx, 6'), 'bh'],
  ['10/1009 palette', `mov dx, 0x7000\n${video('mov ax, 0x1009')}`, '[0x7004] [0x7006] [0x700e] [0x7010]'],
  ['10/00 mode 1', `${video('mov ax, 1')}\n${video('mov ah, 15')}`, 'ax [0x44a] [0x44c] [0x460]'],
  ['10/00 mode 13', `${video('mov ax, 0x13')}\n${video('mov ah, 15')}`, 'ax [0x44a] [0x484] [0x485]'],
  ['10/0c packed', `${video('mov ax, 0x0c5a\n mov bx, 0\n mov cx, 300\n mov dx, 100')}\n${video('mov ah, 13')}`, 'al'],
  [
    '10/1017 colors',
    `mov dx, 0x6000\n${video('mov ax, 0x1017\n mov bx, 0\n mov cx, 256')}\n mov si, 0x6000\n mov cx, 744\n call sum`,
    'ax',
  ],
  ['10/00 mode 12', `${video('mov ax, 0x12')}\n${video('mov ah, 15')}`, 'ax [0x44a] [0x44c] [0x484] [0x485]'],
  ['10/0c planar', `${video('mov ax, 0x0c0b\n mov bx, 0\n mov cx, 601\n mov dx, 401')}\n${video('mov ah, 13')}`, 'al'],
  ['10/0c xor', `${video('mov ax, 0x0c83\n mov bx, 0\n mov cx, 601\n mov dx, 401')}\n${video('mov ax, 0x0d00')}`, 'al'],
  ['10/00 mode 4', `${video('mov ax, 4')}\n${video('mov ah, 15')}`, 'ax [0x44a] [0x44c]'],
  ['10/0c cga', `${video('mov ax, 0x0c02\n mov bx, 0\n mov cx, 301\n mov dx, 101')}\n${video('mov ah, 13')}`, 'al'],
  [
    '10/00 mode 6',
    `${video('mov ax, 6')}\n${video('mov ax, 0x0c01\n mov bx, 0\n mov cx, 601\n mov dx, 101')}\n${video('mov ah, 13')}`,
    'al',
  ],
  ['10/00 mode 7', `${video('mov ax, 7')}\n${video('mov ah, 15')}`, 'ax [0x463]'],
  ['10/00 mode 3', video('mov ax, 3'), '[0x449] [0x44a] [0x44c] [0x460] [0x463] [0x484] [0x485]'],
  ['10/1112 8x8', video('mov ax, 0x1112\n mov bl, 0'), '[0x484] [0x485]'],
  ['10/00 again', video('mov ax, 3'), '[0x484] [0x485]'],
  [
    '10/4f00 vbe',
    `mov di, 0x7000\n mov dword [di], 0x32454256\n${video('mov ax, 0x4f00')}`,
    'ax [0x7000] [0x7002] [0x7004] [0x7012]',
  ],
  ...[0x101, 0x111, 0x112, 0x115, 0x118, 0x144].map(
    (mode): ServiceCall => [
      `10/4f01 mode ${mode.toString(16)}`,
      vbeMode(mode),
      'ax [0x7000] [0x7004] [0x7010] [0x7012] [0x7014] [0x7018] [0x701a] [0x701f] [0x7021] [0x7023] [0x7025]',
    ],
  ),
  ['10/4f01 none', vbeMode(0x1ff), 'ax'],
  ['10/4f02 lfb', video('mov ax, 0x4f02\n mov bx, 0x4111'), 'ax'],
  ['10/4f03 mode', video('mov ax, 0x4f03'), 'ax bx'],
  ['10/4f06 pitch', video('mov ax, 0x4f06\n mov bl, 1'), 'ax bx cx'],
  [
    '10/4f07 start',
    `${video('mov ax, 0x4f07\n mov bx, 0\n mov cx, 8\n mov dx, 5')}\n${video('mov ax, 0x4f07\n mov bx, 1')}`,
    'ax cx dx',
  ],
  ['10/4f02 text', video('mov ax, 0x4f02\n mov bx, 3'), 'ax'],
  ['13/08 disk', 'mov ah, 8\n mov dl, 0x80\n int 0x13\n push cs\n pop es', 'ah cx dx c'],
  ['13/15 disk', 'mov ah, 0x15\n mov dl, 0x80\n int 0x13', 'ah cx dx c'],
  ['13/41 extensions', 'mov ah, 0x41\n mov bx, 0x55aa\n mov dl, 0x80\n int 0x13', 'ah bx cx c'],
  [
    '13/48 parameters',
    'mov si, 0x7000\n mov word [si], 0x1a\n mov ah, 0x48\n mov dl, 0x80\n int 0x13',
    'ah c [0x7000] [0x7010] [0x7018]',
  ],
  ['13/02 read', 'mov ax, 0x0202\n mov bx, 0x6000\n mov cx, 1\n mov dx, 0x180\n int 0x13', 'ax c [0x6000] [0x6200]'],
  ['13/42 read', 'mov si, packet\n mov ah, 0x42\n mov dl, 0x80\n int 0x13', 'ah c [0x6000] [0x6200]'],
  ['13/04 verify', 'mov ax, 0x0402\n mov cx, 1\n mov dx, 0x180\n int 0x13', 'ax c'],
  ['13/02 no drive', 'mov ax, 0x0201\n mov bx, 0x6000\n mov cx, 1\n mov dx, 0x81\n int 0x13', 'ah c'],
  ['13/01 status', 'mov ah, 1\n mov dl, 0x80\n int 0x13', 'ah c'],
  ['13/00 reset', 'mov ah, 0\n mov dl, 0x80\n int 0x13', 'ah c'],
  ['13/ff unknown', 'mov ah, 0x7f\n mov dl, 0x80\n int 0x13', 'ah c'],
  ['16/01 empty', 'mov ah, 1\n int 0x16', 'z'],
  ['16/05 push', 'mov ah, 5\n mov cx, 0x1e61\n int 0x16', 'al'],
  ['16/01 key', 'mov ah, 1\n int 0x16', 'ax z'],
  ['16/00 key', 'mov ah, 0\n int 0x16', 'ax'],
  ['16/05 arrow', 'mov ah, 5\n mov cx, 0x48e0\n int 0x16\n mov ah, 0x11\n int 0x16', 'ax z'],
  ['16/00 arrow', 'mov ah, 0\n int 0x16', 'ax'],
  ['16/02 flags', 'mov ah, 2\n int 0x16', 'al'],
  ['15/c0 table', 'mov ah, 0xc0\n int 0x15\n mov ax, [es:bx+2]\n push cs\n pop es', 'ax c'],
  ['15/2403 a20', 'mov ax, 0x2403\n int 0x15', 'ah bx c'],
  ['15/2401 a20', 'mov ax, 0x2401\n int 0x15\n mov ax, 0x2402\n int 0x15', 'ax c'],
  ['15/4f key', 'mov ax, 0x4f1e\n stc\n int 0x15', 'al c'],
  ['15/86 wait', 'mov ah, 0x86\n mov cx, 0\n mov dx, 2000\n int 0x15', 'c'],
  [
    '15/87 move',
    'mov dword [0x6000], 0x12345678\n mov si, descriptors\n mov cx, 2\n mov ah, 0x87\n int 0x15',
    'ah c [0x6100] [0x6102]',
  ],
  [
    '15/e820',
    'mov eax, 0xe820\n mov edx, 0x534d4150\n mov ecx, 20\n xor ebx, ebx\n mov di, 0x7000\n int 0x15',
    'ax cx c [0x7000] [0x7010]',
  ],
  ['15/7f unknown', 'mov ah, 0x7f\n int 0x15', 'ah c'],
  ['1a/02 time', 'mov ah, 2\n int 0x1a', 'c'],
  ['1a/b101 pci', 'mov ax, 0xb101\n int 0x1a', 'ah bx cl dx c'],
  ['1a/b102 find', 'mov ax, 0xb102\n mov dx, 0x8086\n mov cx, 0x7000\n mov si, 0\n int 0x1a', 'ah bx c'],
  ['1a/b102 none', 'mov ax, 0xb102\n mov dx, 0x8086\n mov cx, 0x7001\n mov si, 0\n int 0x1a', 'ah c'],
  ['1a/b103 class', 'mov ax, 0xb103\n mov ecx, 0x010180\n mov si, 0\n int 0x1a', 'ah bx c'],
  ['1a/b109 word', 'mov ax, 0xb109\n mov bx, 0\n mov di, 2\n int 0x1a', 'ah cx c'],
  ['1a/b10a bad', 'mov ax, 0xb10a\n mov bx, 0\n mov di, 2\n int 0x1a', 'ah c'],
  ['11 equipment', 'int 0x11\n and ax, 0x3032', 'ax'],
  ['14/03 status', 'mov ah, 3\n mov dx, 0\n int 0x14', 'ah'],
  ...['_32_', '_MP_', '_SM_', 'RSD ', '$PIR'].map(
    (signature): ServiceCall => [`table ${signature}`, `mov eax, 0x${hexOf(signature)}\n call find`, 'c'],
  ),
];

function hexOf(text: string): string {
  return [...text]
    .map((character) => character.charCodeAt(0).toString(16).padStart(2, '0'))
    .reverse()
    .join('');
}

const WORDS = ['ax', 'bx', 'cx', 'dx'];
const BYTES = ['al', 'ah', 'bl', 'bh', 'cl', 'ch', 'dl', 'dh'];

/** Code that shows one item of a result. */
function show(item: string): string {
  if (WORDS.includes(item)) return `mov ax, [v_${item}]\n call hex16`;
  if (BYTES.includes(item)) {
    return `mov al, [v_${item[0]}x+${item[1] === 'h' ? 1 : 0}]\n call hex8\n mov al, ' '\n out 0xe9, al`;
  }
  if (item === 'c') return 'mov al, [v_flags]\n and al, 1\n call hex8';
  if (item === 'z') return 'mov al, [v_flags]\n and al, 0x40\n call hex8';
  return `mov ax, ${item}\n call hex16`;
}

const PROLOGUE = `
  mov ax, cs
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x5ff0
  sti
  cld`;

const EPILOGUE = `
  mov si, end_name
  call puts
  mov dx, 0x501
  mov al, 0
  out dx, al
stop:
  hlt
  jmp stop

puts:
  lodsb
  or al, al
  jz .done
  out 0xe9, al
  jmp puts
.done:
  ret
hex16:
  push ax
  mov al, ah
  call hex8
  pop ax
  call hex8
  mov al, ' '
  out 0xe9, al
  ret
hex8:
  push ax
  shr al, 4
  call digit
  pop ax
  and al, 15
digit:
  add al, '0'
  cmp al, '9'
  jbe .done
  add al, 39
.done:
  out 0xe9, al
  ret
sum:
  xor ax, ax
  xor dx, dx
.next:
  lodsb
  add dx, ax
  loop .next
  mov ax, dx
  ret
find:
  mov bx, 0xf000
  mov es, bx
  xor bx, bx
.next:
  cmp [es:bx], eax
  je .found
  add bx, 16
  jnz .next
  stc
  jmp .done
.found:
  clc
.done:
  push cs
  pop es
  ret
text: db "abcd"
  align 16
packet: db 16, 0
  dw 2, 0x6000, 0
  dq 5
descriptors: times 16 db 0
  dw 0xffff, 0x6000
  db 0, 0x93, 0, 0
  dw 0xffff, 0x6100
  db 0, 0x93, 0, 0
  times 16 db 0
v_ax: dw 0
v_bx: dw 0
v_cx: dw 0
v_dx: dw 0
v_flags: dw 0
end_name: db "end", 10, 0`;

const SAVE = `
  pushf
  mov [v_ax], ax
  mov [v_bx], bx
  mov [v_cx], cx
  mov [v_dx], dx
  pop word [v_flags]`;

/** The boot sector, which loads the program that makes the calls. */
const BOOT = (sectors: number) => `
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7c00
  mov si, packet
  mov ah, 0x42
  int 0x13
  jmp 0x0000:0x8000
packet: db 16, 0
  dw ${sectors}, 0x8000, 0
  dq 1
  org 0x7dfe
  dw 0xaa55`;

const SECTOR_BYTES = 512;
const DISK_BYTES = 8 << 20;
const MARK_FROM_SECTOR = 63;

/** A disk that makes the calls and writes a line for each to port E9h. */
export function serviceDisk(): Uint8Array {
  const names = SERVICE_CALLS.map(([name], i) => `name_${i}: db "${name}: ", 0`).join('\n');
  const calls = SERVICE_CALLS.map(([, code, shown], i) => {
    const scoped = code.replaceAll('.next', `.next${i}`);
    const shows = shown.split(' ').map(show).join('\n');
    return `mov si, name_${i}\n call puts\n${scoped}\n${SAVE}\n${shows}\n mov al, 10\n out 0xe9, al`;
  });
  const source = [PROLOGUE, ...calls, EPILOGUE, names].join('\n');
  const program = assemble(source, { bits: 16, origin: 0x8000 }).bytes;
  const disk = new Uint8Array(DISK_BYTES);
  disk.set(assemble(BOOT(Math.ceil(program.length / SECTOR_BYTES)), { bits: 16, origin: 0x7c00 }).bytes);
  disk.set(program, SECTOR_BYTES);
  for (let n = MARK_FROM_SECTOR; n * SECTOR_BYTES < DISK_BYTES; n++)
    disk.fill(n, n * SECTOR_BYTES, (n + 1) * SECTOR_BYTES);
  return disk;
}
