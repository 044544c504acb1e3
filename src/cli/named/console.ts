import type { ReadStream } from 'node:tty';
import { RawTerminal } from '../../host/node/raw-terminal.ts';
import { STATUS } from '../errors.ts';
import { withMachine } from './control-verbs.ts';

/** What is typed in one message at most. */
const MOST_TYPED_BYTES = 4096;

/** `console`: the machine's first serial line on this terminal, until Ctrl-] is typed or the machine ends. */
export function console(name: string): Promise<number> {
  return withMachine(name, async (machine) => {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    machine.onEvent((event, { data }) => {
      if (event === 'SERIAL') process.stdout.write(Buffer.from(data as string, 'base64'));
    });
    await machine.execute('vitrine-serial-listen');
    const { stdin } = process;
    const terminal = stdin.isTTY ? new RawTerminal(stdin as ReadStream, leave) : undefined;
    stdin.on('data', (bytes: Buffer) => {
      const keys = terminal?.watch(bytes) ?? bytes;
      for (let at = 0; at < keys.length; at += MOST_TYPED_BYTES) {
        const data = Buffer.from(keys.subarray(at, at + MOST_TYPED_BYTES)).toString('base64');
        machine.execute('vitrine-serial-type', { data }).catch(() => {}); // the machine has ended, which is noticed anyway
      }
    });
    await Promise.race([left, machine.closed]);
    stdin.destroy();
    terminal?.close();
    return STATUS.ok;
  });
}
