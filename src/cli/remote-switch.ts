import { LocalWebServer, type WebServerOptions, type WebSite } from '../host/node/web-server.ts';
import { type CableOptions, cableTo, joinPorts } from '../net/cable.ts';
import { WallClock } from '../net/wall-clock.ts';
import { webSocketPort } from '../net/web-socket-port.ts';
import { RejoiningPort } from './rejoining-port.ts';
import { joinSwitch } from './switch-member.ts';

/** Which VLANs those who come by WebSocket get. */
type Vlans = Pick<CableOptions, 'vlan' | 'tagged'>;

/**
 * Lets programs of other hosts, and pages, join a switch of this host by WebSocket: a member for each.
 * @param path of the switch
 * @throws {Error} the address cannot be listened on
 */
export function serveSwitch(path: string, vlans: Vlans, options: WebServerOptions): Promise<LocalWebServer> {
  const clock = new WallClock();
  const site: WebSite = {
    content: async () => undefined,
    connect(rest, socket) {
      if (rest === '') joinFrom(socket).catch(() => socket.close());
      return rest === '';
    },
  };
  async function joinFrom(socket: Parameters<WebSite['connect']>[1]): Promise<void> {
    const outside = webSocketPort(socket);
    const member = await joinSwitch(path);
    socket.on('close', () => member.close());
    if (socket.readyState !== socket.OPEN) member.close();
    joinPorts(cableTo(member, clock, vlans, 0n), outside);
  }
  return LocalWebServer.listen(site, { ...options, admitsPrograms: true });
}

/** Joins a switch that {@link serveSwitch} lets others join. @throws {Error} it cannot be reached, or refuses */
export function joinRemoteSwitch(url: string): Promise<RejoiningPort> {
  return RejoiningPort.join(async (lost) => {
    const socket = new WebSocket(url);
    const port = webSocketPort(socket);
    await opened(socket);
    socket.addEventListener('close', () => lost(), { once: true });
    return { port, release: () => socket.close() };
  });
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true });
    socket.addEventListener('error', () => reject(new Error('nobody answers there, or the token is wrong')), {
      once: true,
    });
  });
}
