import type { Builder } from '../ir/builder.ts';
import type { Val } from '../ir/val.ts';

/** Leaves the short way where the i32 `bad` holds: recorded after everything that it depends on, before any effect. */
export type Unless = (bad: Val) => void;

/**
 * Records a short way for the usual case, which `short` leaves by its tests, and in place of it the long way for all
 * others. What is short comes first and in line; what is long should be a call.
 */
export function shortWay(b: Builder, short: (unless: Unless) => void, long: () => void): void {
  b.block((done) => {
    b.block((other) => {
      short((bad) => b.ifRarely(bad, () => b.break(other)));
      b.break(done);
    });
    long();
  });
}
