import type { PointerImage } from './interfaces.ts';

/** Whether a line of the screen has a part of a pointer. */
export function isInPointer(pointer: PointerImage | undefined, y: number): pointer is PointerImage {
  return pointer !== undefined && y >= pointer.y && y < pointer.y + pointer.height;
}

/** Lays a pointer over a line of the screen that has a part of it. @param line pixels of a Frame */
export function overlayPointer(pointer: PointerImage, y: number, line: Uint32Array): void {
  const row = (y - pointer.y) * pointer.width;
  const end = Math.min(pointer.width, line.length - pointer.x);
  for (let column = Math.max(0, -pointer.x); column < end; column++) {
    const x = pointer.x + column;
    line[x] = over(pointer.pixels[row + column], line[x]);
  }
}

/** A pixel whose colours have been multiplied by its opacity, over one that is opaque. */
function over(above: number, below: number): number {
  const rest = 255 - (above >>> 24);
  const mixed = (shift: number) =>
    Math.min(255, ((above >>> shift) & 0xff) + Math.round((((below >>> shift) & 0xff) * rest) / 255)) << shift;
  return (0xff000000 | mixed(16) | mixed(8) | mixed(0)) >>> 0;
}
