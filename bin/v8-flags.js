// How V8 and its C library run us. Plain JavaScript.

/** Flags that every V8 has that can run us, and that take effect whenever they are set. */
export const LATE_V8_FLAGS = [
  // What is hottest in a region's outer loop is the way on to other code, not another turn: a copy of the loop's body for the
  // first turn, or several for the next ones, only doubles the code (docs/jit.md).
  '--no-wasm-loop-peeling',
  '--no-wasm-loop-unrolling',
  // The heap grows by half before it is collected: V8 lets it grow four times as large where much is allocated.
  '--heap-growing-percent=50',
];

/** Those and the ones that must be there from the start, for a Node that we start: Node itself uses WebAssembly. */
export const V8_FLAGS = [
  ...LATE_V8_FLAGS,
  // V8's first compiler for WebAssembly counts calls at each of them, for the second one to inline what is called often;
  // translated code has few calls worth that, and runs faster without.
  '--no-wasm-inlining',
  // Young objects have 16 MB of room, not 64: what is made while guest code is translated is gone soon, however often V8 looks.
  '--max-semi-space-size=8',
];

/** The environment of such a Node, for the GNU C library: threads that compile share one heap, whose end is given back, where
 * each would keep some 14 MB for good. */
export const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: `${4 << 20}` };
