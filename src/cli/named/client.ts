import { readdir } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runtimeFolder } from '../../host/node/runtime-folder.ts';
import { JsonStream } from '../../vm/json-stream.ts';
import type { Fields } from '../../vm/qmp-arguments.ts';
import { SOCKET_SUFFIX } from '../control.ts';
import { CliError, STATUS } from '../errors.ts';
import { parseName, quote } from '../values.ts';

const RETRY_MILLIS = 50;
/** What is typed in one message at most. */
const MOST_TYPED_BYTES = 4096;

/** Thrown when a machine refuses what it was asked. */
export class Refused extends Error {}

/** A running machine, reached by its name. */
export class NamedMachine {
  readonly #socket: Socket;
  readonly #input = new JsonStream();
  readonly #waiting: ((reply: Fields) => void)[] = [];
  readonly #listeners = new Set<(event: string, data: Fields) => void>();
  /** Resolves when the machine has ended the conversation. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      for (const line of this.#input.push(text)) this.#take(JSON.parse(line) as Fields);
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        for (const answer of this.#waiting.splice(0)) answer({ error: { desc: 'the machine has ended' } });
        resolve();
      });
    });
    socket.on('error', () => {});
  }

  /** @param waitMillis how long it may take to start  @throws {CliError} no machine of this name runs */
  static connect(name: string, waitMillis = 0): Promise<NamedMachine> {
    return NamedMachine.at(join(runtimeFolder(), `${parseName(name, 'NAME')}${SOCKET_SUFFIX}`), name, waitMillis);
  }

  /** As {@link connect}, where the machine's socket is known. @param name what messages call it */
  static async at(path: string, name: string, waitMillis = 0): Promise<NamedMachine> {
    const end = performance.now() + waitMillis;
    for (;;) {
      try {
        const machine = new NamedMachine(await connect(path, name));
        await machine.execute('qmp_capabilities');
        return machine;
      } catch (error) {
        const isMissing = error instanceof CliError && error.status === STATUS.missing;
        if (!isMissing || performance.now() >= end) throw error;
        await sleep(RETRY_MILLIS);
      }
    }
  }

  /** @param waitMillis how long it may take to start  @throws {CliError} no machine of this name runs */
  static async requireRunning(name: string, waitMillis = 0): Promise<void> {
    (await NamedMachine.connect(name, waitMillis)).close();
  }

  /** Names of all machines of this user that run. */
  static async names(): Promise<string[]> {
    const files = await readdir(runtimeFolder()).catch(() => []);
    return files
      .filter((file) => file.endsWith(SOCKET_SUFFIX))
      .map((file) => file.slice(0, -SOCKET_SUFFIX.length))
      .sort();
  }

  /** Has a QMP command executed. @throws {Refused} with the machine's words */
  async execute(command: string, given?: Fields): Promise<Fields> {
    const { promise, resolve } = Promise.withResolvers<Fields>();
    this.#waiting.push(resolve);
    this.#socket.write(`${JSON.stringify({ execute: command, ...(given && { arguments: given }) })}\n`);
    const reply = await promise;
    if (reply.error !== undefined) throw new Refused((reply.error as { desc: string }).desc);
    return reply.return as Fields;
  }

  /** @param listen told of every event */
  onEvent(listen: (event: string, data: Fields) => void): void {
    this.#listeners.add(listen);
  }

  /** @param listen told what the guest writes to its first serial line, once `vitrine-serial-listen` has been executed */
  onSerial(listen: (bytes: Buffer) => void): void {
    this.onEvent((event, { data }) => {
      if (event === 'SERIAL') listen(Buffer.from(data as string, 'base64'));
    });
  }

  /** Types on its first serial line. Where the machine has ended, that is noticed by {@link closed}. */
  typeOnSerial(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MOST_TYPED_BYTES) {
      const data = Buffer.from(bytes.subarray(at, at + MOST_TYPED_BYTES)).toString('base64');
      this.execute('vitrine-serial-type', { data }).catch(() => {});
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(message: Fields): void {
    if (typeof message.event === 'string') {
      for (const listen of this.#listeners) listen(message.event, (message.data ?? {}) as Fields);
    } else if (!('QMP' in message)) this.#waiting.shift()?.(message);
  }
}

function connect(path: string, name: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const stale = error.code === 'ECONNREFUSED' ? `; the socket ${path} is left from one that died` : '';
      const gone = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
      const message = gone ? `no machine of the name ${quote(name)} runs${stale}` : `${path}: ${error.message}`;
      reject(new CliError(gone ? STATUS.missing : STATUS.failed, message));
    });
  });
}
