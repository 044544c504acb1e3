import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { listen, type SocketAddress } from '../host/node/listen.ts';
import { nodeTime } from '../host/node/time.ts';
import { QmpSession, type QmpTarget } from '../vm/qmp.ts';
import type { OutsideEnding } from './endings.ts';
import { CliError, STATUS } from './errors.ts';
import type { Machine } from './machine.ts';
import { packageVersion } from './package-version.ts';

/** What clients of a machine's protocol work on. @param more what the machine can do besides */
export function qmpTarget(vm: Machine, outside: OutsideEnding, more: Partial<QmpTarget>): QmpTarget {
  return {
    vm,
    version: packageVersion(),
    quit: () => outside.end({ status: STATUS.ok }),
    utcMillis: nodeTime.utcMillis,
    console: () => vm.console(),
    writeFile,
    drives: vm.drives,
    balloon: vm.balloon,
    openMedium: async (...asked) => (await import('./drives.ts')).openNamedMedium(...asked),
    ...more,
  };
}

/** Serves the QEMU Machine Protocol on an address until the returned function is called.
 * @throws {CliError} the address cannot be listened on */
export async function serveQmp(address: SocketAddress, target: QmpTarget): Promise<() => void> {
  try {
    return await listen(address, (peer) => converse(peer, target));
  } catch (error) {
    const found = (error as Error).message;
    throw new CliError(STATUS.failed, `--qmp: found ${found}, expected an address to listen on`, { cause: error });
  }
}

/** Talks to a client until it goes. */
export function converse(peer: Socket, target: QmpTarget): void {
  const session = new QmpSession(target, (line) => peer.write(`${line}\r\n`));
  peer.setEncoding('utf8');
  peer.on('close', session.close);
  peer.on('data', (text: string) => {
    try {
      void session.receive(text);
    } catch {
      peer.destroy();
    }
  });
}
