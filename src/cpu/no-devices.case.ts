import type { CpuEnvironment } from './environment.ts';

/** The surroundings of a processor that is tested alone: nothing answers, and nothing interrupts. */
export const NO_DEVICES: CpuEnvironment = {
  portRead: () => 0,
  portWrite: () => undefined,
  mmioRead: () => 0,
  mmioWrite: () => undefined,
  interruptPending: () => false,
  acknowledgeInterrupt: () => -1,
  takeNmi: () => false,
  apicRead: () => undefined,
  apicWrite: () => false,
  random: () => 0n,
  nowNanos: () => 0n,
  firstWrite: () => undefined,
};
