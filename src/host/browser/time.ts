/** The host's time in a browser, in pages and workers alike. As fine as the browser allows: 5 microseconds where the
 * page is cross-origin isolated, 100 elsewhere (W3C High Resolution Time, section 8.3). */
export const browserTime = {
  monotonicNanos: (): bigint => BigInt(Math.round(performance.now() * 1e6)),
  utcMillis: (): number => performance.timeOrigin + performance.now(),
};
