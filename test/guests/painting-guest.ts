import { showBochsMode } from './bochs-mode.ts';
import { multibootKernel } from './multiboot.ts';

/** The screen of {@link paintingGuest}. */
export const PAINTED = { width: 640, height: 480 } as const;
/** Side of the square that it draws where its pointer is, and its colour: blue, and red while the left button is pressed. */
export const POINTER = { side: 8, released: 0x0000ff, pressed: 0xff0000 } as const;
/** What it writes to its first serial line once it listens. */
export const PAINTER_READY = 'R';

const STACK = 0x7000;
/** Sends a byte to a port of the keyboard controller when that takes it, and then waits for its answer where there is one. */
const tell = (port: number, value: number, answers = false) => `
  mov bl, ${value}
  mov dx, ${port}
  call tell${answers ? '\n  call answer' : ''}`;

/** Moves a coordinate by a byte of a packet that is at `from`, negative where a bit of its first byte is set, and keeps it on the screen. */
const moveBy = (register: string, from: number, negativeBit: number, sign: 'add' | 'sub', end: number) => `
  movzx eax, byte [packet + ${from}]
  test byte [packet], ${negativeBit}
  jz ${register}_positive
  or eax, 0xffffff00
${register}_positive:
  ${sign} ${register}, eax
  cmp ${register}, 0
  jge ${register}_low
  xor ${register}, ${register}
${register}_low:
  cmp ${register}, ${end - POINTER.side}
  jle ${register}_high
  mov ${register}, ${end - POINTER.side}
${register}_high:`;

/**
 * A guest that draws a square where its PS/2 mouse has been moved to from the upper left corner on, and a pixel for each
 * key that is pressed: from the left of the screen's last line on, with the scan code of set 1 as its blue.
 */
export function paintingGuest(): Uint8Array {
  return multibootKernel(`
  mov esp, ${STACK}
${showBochsMode(PAINTED.width, PAINTED.height)}  mov [frame], ebx
${tell(0x64, 0x60)}${tell(0x60, 0x44)}${tell(0x64, 0xd4)}${tell(0x60, 0xf4, true)}
  mov dx, 0x3f8
  mov al, ${PAINTER_READY.charCodeAt(0)}
  out dx, al
  xor esi, esi
  xor edi, edi
  mov ecx, ${POINTER.released}
  call square
wait:
  in al, 0x64
  test al, 1
  jz wait
  mov ah, al
  in al, 0x60
  test ah, 0x20
  jnz mouse
  test al, 0x80
  jnz wait
  movzx eax, al
  mov edx, [keys]
  mov ebx, [frame]
  mov [ebx + edx * 4 + ${(PAINTED.height - 1) * PAINTED.width * 4}], eax
  inc dword [keys]
  jmp wait
mouse:
  mov edx, [received]
  mov [packet + edx], al
  inc edx
  mov [received], edx
  cmp edx, 3
  jb wait
  mov dword [received], 0
  xor ecx, ecx
  call square
${moveBy('esi', 1, 0x10, 'add', PAINTED.width)}
${moveBy('edi', 2, 0x20, 'sub', PAINTED.height - 1)}
  mov ecx, ${POINTER.released}
  test byte [packet], 1
  jz draw
  mov ecx, ${POINTER.pressed}
draw:
  call square
  jmp wait
square:
  mov eax, edi
  imul eax, eax, ${PAINTED.width}
  add eax, esi
  shl eax, 2
  add eax, [frame]
  mov edx, ${POINTER.side}
square_line:
  mov ebx, ${POINTER.side}
square_pixel:
  mov [eax], ecx
  add eax, 4
  dec ebx
  jnz square_pixel
  add eax, ${(PAINTED.width - POINTER.side) * 4}
  dec edx
  jnz square_line
  ret
tell:
  in al, 0x64
  test al, 2
  jnz tell
  mov al, bl
  out dx, al
  ret
answer:
  in al, 0x64
  test al, 1
  jz answer
  in al, 0x60
  ret
frame: dd 0
keys: dd 0
received: dd 0
packet: dd 0`);
}
