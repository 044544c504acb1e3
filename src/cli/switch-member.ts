import { mkdirSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { listen } from '../host/node/listen.ts';
import { nodeNetHost } from '../host/node/net-host.ts';
import { joinPorts } from '../net/cable.ts';
import { Switch } from '../net/switch.ts';
import { type NetworkBoot, UserNetwork } from '../net/user-network.ts';
import { WallClock } from '../net/wall-clock.ts';
import { plugSocket, socketPort } from './frame-socket.ts';
import { type Hold, RejoiningPort } from './rejoining-port.ts';

/** Every port of the switch carries all VLANs: members keep theirs apart on the cables of their cards. */
const TRUNK = { tagged: 'all' } as const;

/** Where the sockets of this user's switches are. */
export function switchPath(name: string): string {
  const folder = process.env.XDG_RUNTIME_DIR ?? join(tmpdir(), `vitrine-${userInfo().uid}`);
  mkdirSync(join(folder, 'vitrine'), { recursive: true, mode: 0o700 });
  return join(folder, 'vitrine', `switch-${name}`);
}

/** What a member's switch has if the member is the one that has it. */
export interface SwitchOptions {
  /** Whether it leads out of this host. */
  readonly nat?: boolean;
  /** Files for machines that boot from the network. */
  readonly boot?: NetworkBoot;
}

/**
 * Joins a switch that machines of this host share by a socket. The first member has the switch in its process, with a
 * DHCP server on it; when it goes, another takes over. Frames on the socket are as QEMU's `-netdev stream` has them.
 * @throws {Error} the path cannot be used
 */
export function joinSwitch(path: string, options: SwitchOptions = {}): Promise<RejoiningPort> {
  return RejoiningPort.join(async (lost) => {
    const socket = await connect(path);
    if (!socket) return holdSwitch(path, options);
    socket.on('close', lost);
    return { port: socketPort(socket), release: () => void socket.destroy() };
  });
}

/** @returns undefined where nobody listens */
function connect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

/** Becomes the switch of a path. @throws {Error} somebody else has */
async function holdSwitch(path: string, { nat = false, boot }: SwitchOptions): Promise<Hold> {
  const clock = new WallClock();
  const hub = new Switch(clock);
  const sockets = new Set<Socket>();
  const stop = await listen({ path }, (socket) => {
    const port = hub.connect(TRUNK);
    sockets.add(socket);
    plugSocket(port, socket, () => {
      sockets.delete(socket);
      port.close();
    });
  });
  const seed = crypto.getRandomValues(new BigUint64Array(1))[0];
  const network = new UserNetwork({ host: nodeNetHost, clock, seed, restrict: !nat, boot });
  joinPorts(hub.connect(), network.port);
  return {
    port: hub.connect(TRUNK),
    release() {
      stop();
      for (const socket of sockets) socket.destroy();
      network.close();
    },
  };
}
