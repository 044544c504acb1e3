import type { NetPort } from '../machine/interfaces.ts';

/** A repeater: what one port sends arrives at all others, at once. */
export class Hub {
  readonly #receivers = new Map<NetPort, (frame: Uint8Array) => void>();

  /** Makes one more port. */
  connect(): NetPort {
    const port: NetPort = {
      send: (frame) => {
        for (const [other, receive] of this.#receivers) if (other !== port) receive(frame);
        return true;
      },
      onFrame: (receive) => this.#receivers.set(port, receive),
    };
    return port;
  }
}
