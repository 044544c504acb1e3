import { mkdirSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { listen } from '../host/node/listen.ts';
import { nodeNetHost } from '../host/node/net-host.ts';
import { Switch } from '../net/switch.ts';
import { UserNetwork } from '../net/user-network.ts';
import { WallClock } from '../net/wall-clock.ts';
import type { FrameReceiver, NetPort } from '../vm/index.ts';
import { plugSocket, socketPort } from './frame-socket.ts';

/** How long a member waits before it looks for the switch again: not all members alike. */
const REJOIN_MILLIS = 50;

/** Where the sockets of this user's switches are. */
export function switchPath(name: string): string {
  const folder = process.env.XDG_RUNTIME_DIR ?? join(tmpdir(), `vitrine-${userInfo().uid}`);
  mkdirSync(join(folder, 'vitrine'), { recursive: true, mode: 0o700 });
  return join(folder, 'vitrine', `switch-${name}`);
}

/** What holds a member to a switch: a connection, or the switch itself. */
interface Hold {
  readonly port: NetPort;
  release(): void;
}

/**
 * A port of a switch that machines of this host share by a socket. The first member has the switch in its process, with a
 * DHCP server on it; when it goes, another takes over. Frames on the socket are as QEMU's `-netdev stream` has them.
 */
export class SwitchMember implements NetPort {
  readonly #path: string;
  readonly #nat: boolean;
  #receive: FrameReceiver = () => {};
  #hold: Hold | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(path: string, nat: boolean) {
    this.#path = path;
    this.#nat = nat;
  }

  /** @param nat whether the switch, if this member has it, leads out of this host  @throws {Error} the path cannot be used */
  static async join(path: string, nat: boolean): Promise<SwitchMember> {
    const member = new SwitchMember(path, nat);
    await member.#join();
    return member;
  }

  /** Frames are lost while there is no switch. */
  send(frame: Uint8Array): boolean {
    return this.#hold?.port.send(frame) ?? true;
  }

  onFrame(receive: FrameReceiver): void {
    this.#receive = receive;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#hold?.release();
  }

  async #join(): Promise<void> {
    const socket = await connect(this.#path);
    const hold = socket ? this.#holdSocket(socket) : await holdSwitch(this.#path, this.#nat);
    if (this.#isClosed) {
      hold.release();
      return;
    }
    hold.port.onFrame((frame) => this.#receive(frame));
    this.#hold = hold;
  }

  #holdSocket(socket: Socket): Hold {
    socket.on('close', () => this.#lost());
    return { port: socketPort(socket), release: () => void socket.destroy() };
  }

  #lost(): void {
    this.#hold = undefined;
    if (this.#isClosed) return;
    this.#timer = setTimeout(
      () => {
        this.#join().catch(() => this.#lost());
      },
      REJOIN_MILLIS * (1 + Math.random()),
    );
  }
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
async function holdSwitch(path: string, nat: boolean): Promise<Hold> {
  const clock = new WallClock();
  const hub = new Switch(clock);
  const sockets = new Set<Socket>();
  const stop = await listen({ path }, (socket) => {
    const port = hub.connect();
    sockets.add(socket);
    plugSocket(port, socket, () => {
      sockets.delete(socket);
      port.close();
    });
  });
  const seed = crypto.getRandomValues(new BigUint64Array(1))[0];
  const network = new UserNetwork({ host: nodeNetHost, clock, seed, restrict: !nat });
  const outlet = hub.connect();
  outlet.onFrame((frame) => network.port.send(frame));
  network.port.onFrame((frame) => outlet.send(frame));
  return {
    port: hub.connect(),
    release() {
      stop();
      for (const socket of sockets) socket.destroy();
      network.close();
    },
  };
}
