import type { VgaScanout } from './interfaces.ts';

/** A line of the screen: where its memory starts, as the CRTC counts, and which line of its row it is. */
export interface VgaLine {
  readonly y: number;
  readonly address: number;
  readonly rowScan: number;
  readonly pan: number;
}

const ADDRESSES = 0x10000;

/** The lines of a screen from top to bottom: rows of characters, doubled lines, the split of the screen. */
export function* vgaLines(screen: VgaScanout): Generator<VgaLine> {
  let { startAddress: address, firstRowScan: rowScan, pan } = screen;
  let repeated = 0;
  for (let y = 0; y < screen.height; y++) {
    yield { y, address, rowScan, pan };
    if (y === screen.lineCompare) {
      [address, rowScan, repeated] = [0, 0, 0];
      if (screen.splitIsFixed) pan = 0;
      continue;
    }
    if (++repeated < screen.lineScale) continue;
    repeated = 0;
    if (rowScan !== screen.rowLines - 1) {
      rowScan = (rowScan + 1) & 0x1f;
      continue;
    }
    rowScan = 0;
    address = (address + screen.pitch) & (ADDRESSES - 1);
  }
}

/** Where in the planes the memory of a character clock lies. @param clock counted from the line's start */
export function planeOffset(screen: VgaScanout, line: VgaLine, clock: number): number {
  const count = (line.address + Math.floor(clock / screen.clocksPerAddress)) & (ADDRESSES - 1);
  let offset = count << screen.addressShift;
  if (screen.addressShift === 1) offset |= (count >> screen.wrapBit) & 1;
  if (screen.addressShift === 2) offset |= (count >> 14) & 3;
  if (screen.rowScanAt13) offset = (offset & ~0x2000) | ((line.rowScan & 1) << 13);
  if (screen.rowScanAt14) offset = (offset & ~0x4000) | ((line.rowScan & 2) << 13);
  return offset & (ADDRESSES - 1);
}
