import { BDA } from './bda.ts';
import type { Caller } from './caller.ts';
import { teletype } from './video/video.ts';

/** Writes text to the screen, as INT 10h, AH = 0Eh does. */
export function print(c: Caller, text: string): void {
  const page = c.load(BDA.page, 1);
  for (const character of text) teletype(c, page, character.charCodeAt(0), undefined);
}
