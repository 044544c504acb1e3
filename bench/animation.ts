import { showBochsMode } from '../test/guests/bochs-mode.ts';

const [WIDTH, HEIGHT] = [1024, 768];
/** What the colours of one pixel differ by from those of the next, and from those of the frame before. */
const PIXEL_STEP = 0x010305;
const FRAME_STEP = 0x070b0d;

/** Where the guest has its interrupt gates and its stack. */
const [GATES, STACK] = [0x8000, 0x7000];
const TIMER_VECTOR = 0x20;
const TIMER_HZ = 1_193_182;
const FRAMES_PER_SECOND = 30;

const outs = (...writes: readonly (readonly [port: number, value: number])[]) =>
  writes.map(([port, value]) => `\n  mov al, ${value}\n  out ${port}, al`).join('');

/** The timer interrupts 30 times a second, and nothing else does. */
const SET_TIMER = `
  mov esp, ${STACK}
  mov eax, tick
  mov [${GATES + TIMER_VECTOR * 8}], ax
  shr eax, 16
  mov [${GATES + TIMER_VECTOR * 8 + 6}], ax
  mov ax, cs
  mov [${GATES + TIMER_VECTOR * 8 + 2}], ax
  mov word [${GATES + TIMER_VECTOR * 8 + 4}], 0x8e00
  lidt [gates]${outs([0x20, 0x11], [0x21, TIMER_VECTOR], [0x21, 4], [0x21, 1], [0x21, 0xfe])}${outs(
    [0x43, 0x34],
    [0x40, Math.round(TIMER_HZ / FRAMES_PER_SECOND) & 0xff],
    [0x40, Math.round(TIMER_HZ / FRAMES_PER_SECOND) >> 8],
  )}`;

/** Draws every pixel of a screen of 1024×768×32 anew 30 times a second, and sleeps in between; of two frames no pixel is the same. */
export const ANIMATION = `${SET_TIMER}
${showBochsMode(WIDTH, HEIGHT)}  xor esi, esi
frame:
  add esi, ${FRAME_STEP}
  mov eax, esi
  xor ecx, ecx
pixel:
  mov [ebx + ecx * 4], eax
  add eax, ${PIXEL_STEP}
  inc ecx
  cmp ecx, ${WIDTH * HEIGHT}
  jb pixel
  sti
  hlt
  cli
  jmp frame
tick:
  push eax
  mov al, 0x20
  out 0x20, al
  pop eax
  iretd
gates:
  dw ${(TIMER_VECTOR + 1) * 8 - 1}
  dd ${GATES}`;
