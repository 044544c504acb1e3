import { createSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import type { ForwardTarget } from '../../net/interfaces.ts';
import { listen, type SocketAddress } from './listen.ts';
import { NodeStream } from './net-host.ts';

/** A port or socket of the host that leads to one of the guest. */
export interface HostForward {
  readonly protocol: 'tcp' | 'udp' | 'unix';
  /** Where the host listens. */
  readonly from: SocketAddress;
  /** Absent: the address that the guest is given first. */
  readonly guestAddress?: Uint8Array;
  readonly guestPort: number;
}

/** A forward that listens: nobody who comes before it leads somewhere is lost. */
export interface OpenForward {
  leadTo(target: ForwardTarget): void;
  close(): void;
}

/** Begins to listen. @throws {Error} the address is in use or may not be used */
export function openForward(forward: HostForward): Promise<OpenForward> {
  return forward.protocol === 'udp' ? openDatagrams(forward) : openStreams(forward);
}

async function openStreams({ from, guestPort, guestAddress }: HostForward): Promise<OpenForward> {
  let waiting: Socket[] = [];
  let accept = (socket: Socket): void => void waiting.push(socket);
  const stop = await listen(from, (socket) => accept(socket), {
    allowHalfOpen: true,
    pauseOnConnect: true,
    noDelay: true,
  });
  return {
    leadTo(target) {
      accept = (socket) => {
        const open = (listener: ConstructorParameters<typeof NodeStream>[1]) => NodeStream.of(socket, listener);
        if (!target.forwardStream(open, guestPort, guestAddress)) socket.destroy();
      };
      for (const socket of waiting) accept(socket);
      waiting = [];
    },
    close() {
      stop();
      for (const socket of waiting) socket.destroy();
    },
  };
}

function openDatagrams({ from, guestPort, guestAddress }: HostForward): Promise<OpenForward> {
  const { host, port } = from as Extract<SocketAddress, { port: number }>;
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  let target: ForwardTarget | undefined;
  socket.on('message', (data, { address, port: peerPort }) => {
    const reply = (answer: Uint8Array) => socket.send(answer, peerPort, address, () => {});
    target?.forwardDatagram({ data, peer: `${port} ${address} ${peerPort}`, reply }, guestPort, guestAddress);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host || undefined, () => {
      socket.off('error', reject).on('error', () => {});
      resolve({
        leadTo(to) {
          target = to;
        },
        close: () => void socket.close(),
      });
    });
  });
}
