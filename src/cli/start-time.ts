/** When the process began that the user has started: the launcher, where that one has handed over to this. */
const startedEpochMillis = Number(process.env.VITRINE_STARTED) || performance.timeOrigin;
delete process.env.VITRINE_STARTED;

/** Milliseconds since the user's process began. */
export function millisSinceStart(): number {
  return performance.timeOrigin + performance.now() - startedEpochMillis;
}
