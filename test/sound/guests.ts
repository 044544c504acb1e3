import { multibootKernel } from '../guests/multiboot.ts';

const TIMER_HZ = 1_193_182;
/** Port of isa-debug-exit: what ends the run. */
export const EXIT_PORT = 0x501;
export const SPEAKER_TONE_HZ = 440;
/** Tones of {@link soundBlasterGuest}: 8-bit mono first, then 16-bit stereo. */
export const BLASTER_TONES = { mono: 441, left: 882, right: 441 } as const;
export const BLASTER_RATES = { mono: 22_050, stereo: 44_100 } as const;

const BYTE_BUFFER = 0x20000;
const WORD_BUFFER = 0x30000;
const BLOCK_UNITS = 4_000;
const BLOCKS_OF_BUFFER = 2;

const outs = (writes: readonly (readonly [port: number, ...values: number[]])[]) =>
  writes
    .flatMap(([port, ...values]) => values.map((value) => `  mov al, ${value}\n  mov dx, ${port}\n  out dx, al`))
    .join('\n');

/** Plays a tone on the PC's speaker for ever. */
export function speakerGuest(): Uint8Array {
  const count = Math.round(TIMER_HZ / SPEAKER_TONE_HZ);
  return multibootKernel(`${outs([
    [0x43, 0xb6],
    [0x42, count & 0xff, count >> 8],
    [0x61, 3],
  ])}
stay: jmp stay`);
}

/** Fills memory with a square wave. @param value `ebx`: the first half's samples  @param step bytes from one sample to the next */
function fill(
  label: string,
  at: number,
  step: number,
  count: number,
  period: number,
  values: readonly [string, string],
) {
  return `
  mov edi, ${at}
  mov ecx, ${count}
  xor ebx, ebx
${label}:
  mov ${values[0]}
  cmp ebx, ${period / 2}
  jb ${label}_store
  mov ${values[1]}
${label}_store:
  mov ${step === 1 ? '[edi], al' : '[edi], ax'}
  add edi, ${step}
  inc ebx
  cmp ebx, ${period}
  jb ${label}_next
  xor ebx, ebx
${label}_next:
  loop ${label}`;
}

/** Sends bytes to the DSP when it takes them. */
const dsp = (...bytes: readonly number[]) => bytes.map((byte) => `  mov al, ${byte}\n  call dsp_write`).join('\n');

/** Waits until so many blocks have ended, each told by the mixer and acknowledged at a port. */
const waitForBlocks = (label: string, count: number, status: number, port: number) => `
  mov ecx, ${count}
${label}:
  mov dx, 0x224
  mov al, 0x82
  out dx, al
  inc dx
  in al, dx
  test al, ${status}
  jz ${label}
  mov dx, ${port}
  in al, dx
  loop ${label}`;

const length = (units: number) => [(units - 1) & 0xff, (units - 1) >> 8] as const;

/** What ends the run with AL. */
const FINISH = `
  mov dx, ${EXIT_PORT}
  out dx, al
stay: jmp stay`;

/** Plays two tones on a Sound Blaster 16, a second each, by DMA with auto-initialisation, and ends the run with 0. */
export function soundBlasterGuest(): Uint8Array {
  const units = BLOCK_UNITS * BLOCKS_OF_BUFFER;
  const stereoPeriod = (hertz: number) => BLASTER_RATES.stereo / hertz;
  return multibootKernel(`
  mov esp, 0x7000
${fill('bytes', BYTE_BUFFER, 1, units, BLASTER_RATES.mono / BLASTER_TONES.mono, ['al, 0xc0', 'al, 0x40'])}
${fill('lefts', WORD_BUFFER, 4, units / 2, stereoPeriod(BLASTER_TONES.left), ['ax, 0x3000', 'ax, 0xd000'])}
${fill('rights', WORD_BUFFER + 2, 4, units / 2, stereoPeriod(BLASTER_TONES.right), ['ax, 0x1000', 'ax, 0xf000'])}
${outs([[0x226, 1]])}
  mov ecx, 1000
hold:
  in al, dx
  loop hold
${outs([[0x226, 0]])}
  mov dx, 0x22e
ready:
  in al, dx
  test al, 0x80
  jz ready
  mov dx, 0x22a
  in al, dx
  cmp al, 0xaa
  jne wrong
${[0x30, 0x31, 0x32, 0x33]
  .map((index) =>
    outs([
      [0x224, index],
      [0x225, 0xf8],
    ]),
  )
  .join('\n')}
${outs([
  [0x0a, 5],
  [0x0c, 0],
  [0x0b, 0x59],
  [0x02, BYTE_BUFFER & 0xff, (BYTE_BUFFER >> 8) & 0xff],
  [0x83, BYTE_BUFFER >> 16],
  [0x03, ...length(units)],
  [0x0a, 1],
])}
${dsp(0xd1, 0x41, BLASTER_RATES.mono >> 8, BLASTER_RATES.mono & 0xff, 0xc6, 0x00, ...length(BLOCK_UNITS))}
${waitForBlocks('mono', 5, 1, 0x22e)}
${dsp(0xda)}
${waitForBlocks('last', 1, 1, 0x22e)}
${outs([
  [0xd4, 5],
  [0xd8, 0],
  [0xd6, 0x59],
  [0xc4, (WORD_BUFFER >> 1) & 0xff, (WORD_BUFFER >> 9) & 0xff],
  [0x8b, WORD_BUFFER >> 16],
  [0xc6, ...length(units)],
  [0xd4, 1],
])}
${dsp(0x41, BLASTER_RATES.stereo >> 8, BLASTER_RATES.stereo & 0xff, 0xb6, 0x30, ...length(BLOCK_UNITS))}
${waitForBlocks('stereo', 20, 2, 0x22f)}
${dsp(0xd5)}
  mov eax, 0
  jmp finish
wrong:
  mov eax, 1
finish:${FINISH}
dsp_write:
  mov ah, al
  mov dx, 0x22c
busy:
  in al, dx
  test al, 0x80
  jnz busy
  mov al, ah
  out dx, al
  ret`);
}

const AC97_IDENTITY = 0x24158086;
const RING = 0x1f000;
/** Most samples of a buffer, in whole periods of both tones. */
const BUFFER_FRAMES = 22_000;
const BUFFERS = 2;
const RING_ENTRIES = 32;

/** Finds the AC'97 controller: BX gets the mixer's ports, BP those of the bus masters. */
const FIND_AC97 = `
  mov ecx, 0x80000000
search:
  mov eax, ecx
  mov dx, 0xcf8
  out dx, eax
  mov dx, 0xcfc
  in eax, dx
  cmp eax, ${AC97_IDENTITY}
  je found
  add ecx, 0x800
  cmp ecx, 0x80010000
  jb search
  mov al, 1
  jmp finish
found:
  lea eax, [ecx + 0x10]
  mov dx, 0xcf8
  out dx, eax
  mov dx, 0xcfc
  in eax, dx
  mov ebx, eax
  and ebx, 0xfffc
  lea eax, [ecx + 0x14]
  mov dx, 0xcf8
  out dx, eax
  mov dx, 0xcfc
  in eax, dx
  mov ebp, eax
  and ebp, 0xfffc
  lea eax, [ecx + 4]
  mov dx, 0xcf8
  out dx, eax
  mov dx, 0xcfc
  mov ax, 7
  out dx, ax`;

const mixer = (register: number, value: number) => `
  lea edx, [ebx + ${register}]
  mov ax, ${value}
  out dx, ax`;

const master = (register: number, accumulator: 'al' | 'eax', value: number) => `
  lea edx, [ebp + ${register}]
  mov ${accumulator}, ${value}
  out dx, ${accumulator}`;

/** Waits until all buffers have been played, and ends the run with 0. */
const UNTIL_PLAYED = `
play:
  lea edx, [ebp + 0x16]
  in ax, dx
  test ax, 4
  jz play
  mov al, 0
finish:${FINISH}`;

/** Has the last valid buffer be the one before the current one, for ever. */
const FOR_EVER = `
play:
  lea edx, [ebp + 0x14]
  in al, dx
  dec al
  and al, ${RING_ENTRIES - 1}
  inc edx
  out dx, al
  jmp play
finish:${FINISH}`;

/** Plays two tones at once on an AC'97 card, at {@link BLASTER_RATES}.stereo. It ends the run with 0 once all buffers have been played, or plays them for ever. */
export function ac97Guest(endless = false): Uint8Array {
  const period = (hertz: number) => BLASTER_RATES.stereo / hertz;
  const descriptors = Array.from(
    { length: endless ? RING_ENTRIES : BUFFERS },
    (_, n) => `
  mov dword [${RING + n * 8}], ${WORD_BUFFER}
  mov dword [${RING + n * 8 + 4}], ${BUFFER_FRAMES * 2}`,
  );
  return multibootKernel(`
  mov esp, 0x7000
${fill('lefts', WORD_BUFFER, 4, BUFFER_FRAMES, period(BLASTER_TONES.left), ['ax, 0x3000', 'ax, 0xd000'])}
${fill('rights', WORD_BUFFER + 2, 4, BUFFER_FRAMES, period(BLASTER_TONES.right), ['ax, 0x1000', 'ax, 0xf000'])}
${descriptors.join('\n')}
${FIND_AC97}
${master(0x2c, 'eax', 2)}
codec:
  lea edx, [ebp + 0x30]
  in eax, dx
  test eax, 0x100
  jz codec
${mixer(0x02, 0)}
${mixer(0x18, 0x0808)}
${mixer(0x2a, 1)}
${mixer(0x2c, BLASTER_RATES.stereo)}
${master(0x1b, 'al', 2)}
${master(0x10, 'eax', RING)}
${master(0x15, 'al', BUFFERS - 1)}
${master(0x1b, 'al', 1)}
${endless ? FOR_EVER : UNTIL_PLAYED}`);
}
