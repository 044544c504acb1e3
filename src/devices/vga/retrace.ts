import type { Clock } from '../../machine/interfaces.ts';
import {
  CRTC,
  MISC_CLOCK_SHIFT,
  SEQ,
  SEQ_8_DOTS,
  SEQ_DOT_CLOCK_HALF,
  STATUS_DISPLAY_OFF,
  STATUS_VERTICAL_RETRACE,
  type VgaRegisters,
  verticalDisplayEnd,
  verticalRetraceStart,
  verticalTotal,
} from './registers.ts';

/** Dot clocks in Hz that the miscellaneous output register selects; the last two are not connected. */
const DOT_CLOCKS_HZ = [25_175_000, 28_322_000, 25_175_000, 25_175_000] as const;
/** What registers nobody has set are taken for, so that a guest that waits for retrace gets on. */
const LEAST_LINE_CLOCKS = 50;
const LEAST_LINES = 100;
const NANOS = 1e9;

/** How long lines and frames take, in nanoseconds, and where in them the beam is dark. */
interface Timing {
  readonly lineNanos: number;
  readonly lines: number;
  /** how much of a line shows the picture, 0 to 1 */
  readonly litShare: number;
}

function timingOf(registers: VgaRegisters): Timing {
  const { sequencer, crtc, misc } = registers;
  const clocking = sequencer[SEQ.clockingMode];
  const dots = (clocking & SEQ_8_DOTS ? 8 : 9) * (clocking & SEQ_DOT_CLOCK_HALF ? 2 : 1);
  const total = Math.max(LEAST_LINE_CLOCKS, crtc[CRTC.horizontalTotal] + 5);
  const shown = Math.min(total, crtc[CRTC.horizontalDisplayEnd] + 1);
  const lineNanos = (total * dots * NANOS) / DOT_CLOCKS_HZ[(misc >> MISC_CLOCK_SHIFT) & 3];
  return { lineNanos, lines: Math.max(LEAST_LINES, verticalTotal(registers)), litShare: shown / total };
}

/** Pictures drawn since power-on. */
export function frameNumber(registers: VgaRegisters, clock: Clock): number {
  const { lineNanos, lines } = timingOf(registers);
  return Math.floor(Number(clock.nowNanos()) / (lineNanos * lines));
}

/** The bits of input status register 1 that tell where the beam is. */
export function retraceStatus(registers: VgaRegisters, clock: Clock): number {
  const { lineNanos, lines, litShare } = timingOf(registers);
  const inFrame = (Number(clock.nowNanos()) / lineNanos) % lines;
  const line = Math.floor(inFrame);
  const isLit = line < verticalDisplayEnd(registers) && inFrame - line < litShare;
  return (isLit ? 0 : STATUS_DISPLAY_OFF) | (isInRetrace(registers, line, lines) ? STATUS_VERTICAL_RETRACE : 0);
}

/** Retrace ends where the low four bits of the line count have the end register's value. */
function isInRetrace(registers: VgaRegisters, line: number, lines: number): boolean {
  const start = Math.min(verticalRetraceStart(registers), lines - 2);
  const end = registers.crtc[CRTC.verticalRetraceEnd] & 0x0f;
  const length = (end - start) & 0x0f || 16;
  return line >= start && line < start + length;
}
