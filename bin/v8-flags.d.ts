/** V8's flags for running Vitrine. */
export declare const V8_FLAGS: readonly string[];
