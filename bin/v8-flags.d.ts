/** V8's flags for running Vitrine that must be there from the start. */
export declare const START_V8_FLAGS: readonly string[];
/** What the C library of such a Node is told by its environment. */
export declare const NODE_ENVIRONMENT: Readonly<Record<string, string>>;
