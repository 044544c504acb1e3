import type { Clock, NetPort } from '../machine/interfaces.ts';
import { Switch, type SwitchPortOptions } from './switch.ts';

/** How bad a cable is, in each direction. */
export type CableOptions = Pick<SwitchPortOptions, 'loss' | 'delayMillis' | 'bytesPerSecond'>;

/** A cable to `port` on which frames get lost, take their time, or have little room.
 * @param seed decides which frames are lost
 * @returns its other end */
export function badCable(port: NetPort, clock: Clock, options: CableOptions, seed: bigint): NetPort {
  const cable = new Switch(clock, seed);
  const [near, far] = [cable.connect(options), cable.connect(options)];
  far.onFrame((frame) => port.send(frame));
  port.onFrame((frame) => far.send(frame));
  return near;
}
