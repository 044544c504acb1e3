import type { Socket } from 'node:net';
import { listen } from '../host/node/listen.ts';
import type { VmDebugger } from '../vm/debugger.ts';
import { GdbSession } from '../vm/gdb/session.ts';
import { CliError, STATUS } from './errors.ts';
import type { Machine } from './machine.ts';
import type { GdbOption } from './values.ts';

/** Serves debuggers on an address, one at a time, until the returned function is called.
 * @throws {CliError} the address cannot be listened on */
export async function serveGdb({ address }: GdbOption, machine: Machine): Promise<() => void> {
  const vmDebugger = await machine.debugger();
  let busy = false;
  const accept = (peer: Socket) => {
    if (busy) {
      peer.destroy();
      return;
    }
    busy = true;
    peer.on('close', () => {
      busy = false;
    });
    converse(peer, vmDebugger);
  };
  try {
    return await listen(address, accept);
  } catch (error) {
    const found = (error as Error).message;
    throw new CliError(STATUS.failed, `--gdb: found ${found}, expected an address to listen on`, { cause: error });
  }
}

function converse(peer: Socket, vmDebugger: VmDebugger): void {
  peer.setNoDelay(true);
  const session = new GdbSession(vmDebugger, (text) => peer.write(text, 'latin1'));
  peer.setEncoding('latin1');
  peer.on('close', () => session.close());
  peer.on('data', (text: string) => {
    try {
      session.receive(text).catch(() => peer.destroy());
    } catch {
      peer.destroy();
    }
  });
}
