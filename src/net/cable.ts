import type { Clock, NetPort } from '../machine/interfaces.ts';
import { Switch, type SwitchPortOptions } from './switch.ts';

/** How bad a cable is, in each direction, and which VLANs it leads to: without `vlan` and `tagged`, frames without a tag alone. */
export type CableOptions = SwitchPortOptions;

/** A cable to `port` on which frames get lost, take their time, or have little room. Where it leads to a VLAN, `port` carries
 * the tags of all of them.
 * @param seed decides which frames are lost
 * @returns its other end */
export function cableTo(port: NetPort, clock: Clock, options: CableOptions, seed: bigint): NetPort {
  const cable = new Switch(clock, seed);
  const near = cable.connect(options);
  const far = cable.connect({ ...options, vlan: undefined, tagged: 'all' });
  far.onFrame((frame) => port.send(frame));
  port.onFrame((frame) => far.send(frame));
  return near;
}

/** Joins the ends of two cables: what comes out of one goes into the other. */
export function joinPorts(one: NetPort, other: NetPort): void {
  one.onFrame((frame) => other.send(frame));
  other.onFrame((frame) => one.send(frame));
}
