/** The host's time in Node. */
export const nodeTime = {
  monotonicNanos: (): bigint => process.hrtime.bigint(),
  utcMillis: (): number => performance.timeOrigin + performance.now(),
};
