// V8's flags that must be there from the start, for a Node that we start: Node itself uses WebAssembly. Others are set later,
// by src/host/node/v8-flags.ts. Plain JavaScript.

import { availableParallelism } from 'node:os';

/** Threads on which Node has V8 compile and collect, where nothing else is said. */
const USUAL_THREADS = 4;

export const START_V8_FLAGS = [
  // One processor is left to the guest's thread, which waits for nothing that is done beside it.
  `--v8-pool-size=${Math.min(USUAL_THREADS, Math.max(1, availableParallelism() - 1))}`,
  // V8's first compiler for WebAssembly counts calls at each of them, for the second one to inline what is called often;
  // translated code has few calls worth that, and runs faster without.
  '--no-wasm-inlining',
  // Young objects have 16 MB of room, not 64: what is made while guest code is translated is gone soon, however often V8 looks.
  '--max-semi-space-size=8',
];

/** The environment of such a Node, for the GNU C library: threads that compile share one heap, whose end is given back, where
 * each would keep some 14 MB for good. */
export const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: `${4 << 20}` };
