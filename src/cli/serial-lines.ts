import type { ReadStream } from 'node:tty';
import { FilePort, type HostCharPort, StreamPort } from '../host/node/char-ports.ts';
import { RawTerminal } from '../host/node/raw-terminal.ts';
import { CliError, STATUS } from './errors.ts';
import { quote, type SerialTarget } from './values.ts';

/** Opens the outside end of a serial line, or of the debug console; `none` has none.
 * @param option the option that names the target
 * @param leave called when Ctrl-] is typed on a terminal
 * @throws {CliError} the file or socket cannot be had */
export async function openSerialLine(
  option: string,
  target: SerialTarget,
  leave: () => void,
): Promise<HostCharPort | undefined> {
  switch (target.kind) {
    case 'none':
      return undefined;
    case 'web':
      return new (await import('../host/node/web-serial.ts')).WebSerial();
    case 'stdio':
      return openStandardStreams(leave);
    case 'file':
      return named(option, target, async () => new FilePort(target.path));
    case 'unix':
      return named(option, target, () => listenForPeer(target.path));
  }
}

function openStandardStreams(leave: () => void): HostCharPort {
  if (!process.stdin.isTTY) return new StreamPort(process.stdin, process.stdout);
  const terminal = new RawTerminal(process.stdin as ReadStream, leave);
  const port = new StreamPort(process.stdin, process.stdout, (keys) => terminal.watch(keys));
  return {
    send: (byte) => port.send(byte),
    onByte: (receive) => port.onByte(receive),
    flush: () => port.flush(),
    close() {
      port.close();
      terminal.close();
    },
  };
}

/** Loaded when it is asked for: Node's sockets take long to load. */
async function listenForPeer(path: string): Promise<HostCharPort> {
  const { SocketPort } = await import('../host/node/socket-port.ts');
  return SocketPort.listen({ path });
}

async function named(
  option: string,
  { kind, path }: { readonly kind: string; readonly path: string },
  open: () => Promise<HostCharPort>,
): Promise<HostCharPort> {
  try {
    return await open();
  } catch (error) {
    const found = `${quote(`${kind}:${path}`)}, ${(error as Error).message}`;
    throw new CliError(STATUS.failed, `${option}: found ${found}, expected a path to write to`, { cause: error });
  }
}
