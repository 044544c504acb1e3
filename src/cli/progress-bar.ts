/** Shows how far something is, from 0 to 1. */
export interface ProgressBar {
  update(fraction: number): void;
  close(): void;
}

const STEPS = 1000;
const NO_BAR: ProgressBar = { update() {}, close() {} };

/** A progress bar on standard error; where that is no terminal, nothing is shown. */
export async function showProgressBar(label: string): Promise<ProgressBar> {
  if (!process.stderr.isTTY) return NO_BAR;
  const { default: progress } = await import('cli-progress');
  const format = `vitrine: ${label} [{bar}] {percentage} %`;
  const bar = new progress.SingleBar({ format, barsize: 30 }, progress.Presets.legacy);
  bar.start(STEPS, 0);
  return { update: (fraction) => bar.update(Math.round(fraction * STEPS)), close: () => bar.stop() };
}
