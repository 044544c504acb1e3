import type { NetPort } from '../machine/interfaces.ts';

/** A link with nobody at the other end: frames are taken and lost, and none arrive. */
export function nullPort(): NetPort {
  return { send: () => true, onFrame: () => {} };
}
