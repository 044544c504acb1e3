import { BDA, EBDA, EBDA_GPA } from './bda.ts';
import type { Caller } from './caller.ts';
import { teletype } from './video/video.ts';

const COM1 = 0x3f8;

/** Whether messages go to COM1 too, since nobody looks at the screen. */
function onSerialLine(c: Caller): boolean {
  return c.load(EBDA_GPA + EBDA.serialConsole, 1) !== 0;
}

/** Writes a message of the BIOS to the screen, as INT 10h, AH = 0Eh does. */
export function print(c: Caller, text: string): void {
  const page = c.load(BDA.page, 1);
  for (const character of text) {
    teletype(c, page, character.charCodeAt(0), undefined);
    if (onSerialLine(c)) c.out(COM1, character.charCodeAt(0));
  }
}
