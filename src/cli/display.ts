import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { listen } from '../host/node/listen.ts';
import { RfbServer } from '../vm/rfb-server.ts';
import { CliError, STATUS } from './errors.ts';
import { whyUnreadable } from './files.ts';
import type { Machine } from './machine.ts';
import type { DisplayTarget } from './values.ts';

const NAME = 'Vitrine';
const OPTION = '--display';

type VncTarget = Extract<DisplayTarget, { kind: 'vnc' }>;

/** Shows a machine's screen to VNC viewers until the returned function is called.
 * @throws {CliError} the address cannot be listened on or the password not be read */
export async function serveVnc({ address, passwordFile }: VncTarget, machine: Machine): Promise<() => void> {
  const password = passwordFile === undefined ? undefined : readPassword(passwordFile);
  const server = new RfbServer(await machine.console(), { name: NAME, password, fillRandom });
  const peers = new Set<Socket>();
  try {
    const stop = await listen(address, (peer) => {
      peers.add(peer);
      peer.on('close', () => peers.delete(peer));
      carry(peer, server);
    });
    return () => {
      for (const peer of peers) peer.destroy();
      stop();
    };
  } catch (error) {
    const found = (error as Error).message;
    throw new CliError(STATUS.failed, `${OPTION}: found ${found}, expected an address to listen on`, { cause: error });
  }
}

function carry(peer: Socket, server: RfbServer): void {
  peer.setNoDelay(true);
  const isNear = /^(::ffff:)?127\.|^::1$/.test(peer.remoteAddress ?? '');
  const viewer = server.connect({
    isNear,
    send: (bytes, sent) => peer.write(bytes, sent),
    end: () => peer.destroySoon(),
  });
  peer.on('data', (bytes: Uint8Array) => viewer.receive(bytes));
  peer.on('close', () => viewer.closed());
}

function readPassword(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n[\s\S]*$/, '');
  } catch (error) {
    throw whyUnreadable({ option: OPTION, path }, error);
  }
}

/** Random bytes from the host's source for secrets. */
export function fillRandom(bytes: Uint8Array<ArrayBuffer>): void {
  crypto.getRandomValues(bytes);
}
