import { join } from 'node:path';
import { ImageInUse } from '../disk/interfaces.ts';
import { ImageLock } from '../host/node/image-lock.ts';
import { listen } from '../host/node/listen.ts';
import { makeRuntimeFolder } from '../host/node/runtime-folder.ts';
import type { QmpTarget } from '../vm/qmp.ts';
import { type AgentChannels, serveAgent } from './agent.ts';
import { CliError, STATUS } from './errors.ts';
import { converse } from './qmp.ts';
import { MOST_SOCKET_PATH_BYTES, quote } from './values.ts';

/** What socket files end with. */
export const SOCKET_SUFFIX = '.sock';

/**
 * Serves a machine's control socket, which speaks QMP, and those to agents in its guest, until the returned function is called.
 * @param agents where the machine has channels to them
 * @throws {CliError} another machine has the name, or there is no place for sockets
 */
export async function serveNamed(
  name: string,
  target: QmpTarget,
  agents?: AgentChannels,
): Promise<() => Promise<void>> {
  const wrong = (found: string, expected: string, cause?: unknown) =>
    new CliError(STATUS.failed, `--name: found ${found}, expected ${expected}`, { cause });
  const folder = await makeRuntimeFolder().catch((error: Error) => {
    throw wrong(error.message, 'a place for its socket', error);
  });
  const path = join(folder, `${name}${SOCKET_SUFFIX}`);
  if (Buffer.byteLength(path) > MOST_SOCKET_PATH_BYTES) throw wrong(`a socket at ${quote(path)}`, 'a shorter path');
  const lock = await ImageLock.acquire(path).catch((error: Error) => {
    if (!(error instanceof ImageInUse)) throw error;
    throw wrong(`${quote(name)}, the name of a machine that runs already`, 'another name', error);
  });
  try {
    const stops = [await listen({ path }, (peer) => converse(peer, target))];
    for (const [suffix, relay] of agents?.relays ?? []) {
      stops.push(await listen({ path: join(folder, `${name}${suffix}`) }, (peer) => serveAgent(peer, relay)));
    }
    return async () => {
      for (const stop of stops) stop();
      await lock.release();
    };
  } catch (error) {
    await lock.release();
    throw wrong((error as Error).message, 'a socket to listen on', error);
  }
}
