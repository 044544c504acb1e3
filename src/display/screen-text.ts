import { characterOf } from './code-page.ts';
import type { Scanout } from './interfaces.ts';
import { vgaLines } from './vga-lines.ts';
import { textCell } from './vga-text.ts';

/** The rows of a text screen as text, blanks at their ends cut off; undefined where the screen shows no text. */
export function screenText(screen: Scanout): string[] | undefined {
  if (screen.kind !== 'vga' || screen.mode !== 'text') return undefined;
  const rows: string[] = [];
  let last = -1;
  for (const line of vgaLines(screen)) {
    if (line.rowScan !== 0 && rows.length > 0) continue;
    if (line.address === last) continue;
    last = line.address;
    const cells = Array.from({ length: screen.columns }, (_, column) => textCell(screen, line, column));
    rows.push(
      cells
        .map((cell) => characterOf(cell & 0xff))
        .join('')
        .trimEnd(),
    );
  }
  return rows;
}
