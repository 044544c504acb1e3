/** The host's time in Node. */
export const nodeTime = {
  monotonicNanos: (): bigint => process.hrtime.bigint(),
  utcMillis: (): number => performance.timeOrigin + performance.now(),
  /** A message to oneself would come before timers and sockets, thousands of times in a row. */
  turn: (): Promise<void> => new Promise((resolve) => setImmediate(resolve)),
};
