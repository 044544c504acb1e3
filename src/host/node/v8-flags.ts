import v8 from 'node:v8';

/** Flags that every V8 has that can run us, and that take effect whenever they are set; each with what takes it back. */
const FLAGS: readonly (readonly [flag: string, back: string])[] = [
  // What is hottest in a region's outer loop is the way on to other code, not another turn: a copy of the loop's body for the
  // first turn, or several for the next ones, only doubles the code (docs/jit.md).
  ['--no-wasm-loop-peeling', '--wasm-loop-peeling'],
  ['--no-wasm-loop-unrolling', '--wasm-loop-unrolling'],
  // Functions are checked when they are first called, not when their module is made: some never are, and modules are many.
  ['--wasm-lazy-validation', '--no-wasm-lazy-validation'],
  // The heap grows by half before it is collected: V8 lets it grow four times as large where much is allocated.
  ['--heap-growing-percent=50', '--heap-growing-percent=0'],
  // Functions that ran once are not forgotten, since they are kept for the next start (bin/module-cache.js).
  ['--no-flush-bytecode', '--flush-bytecode'],
];

/** V8's flags for a machine, for those who set them when they start Node. */
export const MACHINE_V8_FLAGS = FLAGS.map(([flag]) => flag);

/**
 * Sets V8's flags for a machine. That is best done late: V8 takes code that was kept compiled, Node's own and ours, only under
 * the flags with which it was compiled. They are taken back when the process ends, before code is kept.
 */
export function setMachineFlags(): void {
  for (const [flag] of FLAGS) v8.setFlagsFromString(flag);
  process.prependListener('exit', () => {
    for (const [, back] of FLAGS) v8.setFlagsFromString(back);
  });
}
