import type { Arguments, Fields } from './qmp-arguments.ts';
import type { QmpClient } from './qmp-client.ts';
import { QmpError } from './qmp-error.ts';

/** A serial line that others than its own outside end may listen to and type on. */
export interface OpenLine {
  /** @param listen told every byte of the guest, until the returned function is called */
  listen(listen: (byte: number) => void): () => void;
  type(bytes: Uint8Array): void;
}

/** What the commands of named machines work on, besides those of every machine. */
export interface NamedTarget {
  /** What is told of the machine. */
  readonly describeNamed?: () => Fields;
  /** COM1. */
  readonly line?: OpenLine;
}

/** Commands beside QEMU's: what `vitrine info`, `console` and `exec` ask of a machine. */
export const NAMED_COMMANDS = {
  'vitrine-info': {
    run: (_session: QmpClient, { describeNamed }: NamedTarget) => {
      if (describeNamed === undefined) throw new QmpError('GenericError', 'this machine has no name');
      return describeNamed();
    },
  },
  /** From now on each piece of the guest's output comes as an event SERIAL, in base64. */
  'vitrine-serial-listen': {
    run: (session: QmpClient, target: NamedTarget) => listenTo(session, lineOf(target)),
  },
  'vitrine-serial-type': {
    takes: ['data'],
    run: (_session: QmpClient, target: NamedTarget, given: Arguments) =>
      lineOf(target).type(Uint8Array.from(atob(given.text('data')), (character: string) => character.charCodeAt(0))),
  },
} as const;

function lineOf({ line }: NamedTarget): OpenLine {
  if (line === undefined) throw new QmpError('GenericError', 'this machine has no serial line that can be shared');
  return line;
}

/** What the guest writes in one turn of the event loop is one event. */
function listenTo(session: QmpClient, line: OpenLine): void {
  let waiting = '';
  const send = () => {
    session.sendEvent('SERIAL', { data: btoa(waiting) });
    waiting = '';
  };
  const stop = line.listen((byte) => {
    if (waiting === '') setTimeout(send, 0);
    waiting += String.fromCharCode(byte);
  });
  session.atEnd(stop);
}
