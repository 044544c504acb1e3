import type { ReadStream } from 'node:tty';
import { RawTerminal } from '../../host/node/raw-terminal.ts';
import { STATUS } from '../errors.ts';
import { withMachine } from './control-verbs.ts';

/** `console`: the machine's first serial line on this terminal, until Ctrl-] is typed or the machine ends. */
export function console(name: string): Promise<number> {
  return withMachine(name, async (machine) => {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    machine.onSerial((bytes) => process.stdout.write(bytes));
    await machine.execute('vitrine-serial-listen');
    const { stdin } = process;
    const terminal = stdin.isTTY ? new RawTerminal(stdin as ReadStream, leave) : undefined;
    stdin.on('data', (bytes: Buffer) => machine.typeOnSerial(terminal?.watch(bytes) ?? bytes));
    await Promise.race([left, machine.closed]);
    stdin.destroy();
    terminal?.close();
    return STATUS.ok;
  });
}
