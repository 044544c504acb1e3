// How a Node that we start runs us. Plain JavaScript.

/**
 * V8's flags, which every Node has that can run us. V8's first compiler for WebAssembly counts calls at each of them, for the
 * second one to inline what is called often; translated code has few calls worth that, and runs faster without
 * (docs/jit.md). They must be there from the start: Node itself uses WebAssembly.
 */
export const V8_FLAGS = ['--no-wasm-inlining'];
