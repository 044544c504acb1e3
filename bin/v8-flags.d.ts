/** V8's flags for running Vitrine: those that can be set at any time, and all. */
export declare const LATE_V8_FLAGS: readonly string[];
export declare const V8_FLAGS: readonly string[];
/** What the C library of such a Node is told by its environment. */
export declare const NODE_ENVIRONMENT: Readonly<Record<string, string>>;
