/** The host's time in Node, and turns of its event loop. */
export const nodeTime = {
  monotonicNanos: (): bigint => process.hrtime.bigint(),
  utcMillis: (): number => performance.timeOrigin + performance.now(),
  /** Messages to oneself would hold off timers and signals for a thousand turns. */
  turn: (): Promise<void> => new Promise((resolve) => setImmediate(resolve)),
};
