import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Frame } from '../../src/display/interfaces.ts';
import { endProcess, startMachine } from './viewer.ts';

const POLL_MILLIS = 5_000;
const START_MILLIS = 60_000;
const OPAQUE = 0xff000000;
const PPM_HEAD = /^P6\s+(\d+)\s+(\d+)\s+255\s/;
const PPM_HEAD_BYTES = 32;

/** What an answer of QMP has, as far as it is looked at. */
interface QmpReply {
  readonly id?: number;
  readonly error?: { readonly desc: string };
}

/** A machine without a display, driven by QMP. */
export class HeadlessMachine {
  readonly process: ChildProcess;
  readonly #socket: Socket;
  readonly #folder: string;
  readonly #waiting = new Map<number, (reply: QmpReply) => void>();
  #next = 1;

  private constructor(process: ChildProcess, socket: Socket, folder: string) {
    this.process = process;
    this.#socket = socket;
    this.#folder = folder;
    createInterface(socket).on('line', (line) => {
      const reply = JSON.parse(line) as QmpReply;
      if (reply.id !== undefined) this.#waiting.get(reply.id)?.(reply);
    });
    socket.on('close', () => {
      for (const hear of this.#waiting.values()) hear({ error: { desc: 'the machine has ended' } });
    });
  }

  /** @param folder for its files  @param options of `vitrine run` */
  static async start(folder: string, options: readonly string[]): Promise<HeadlessMachine> {
    const path = join(folder, 'qmp');
    const process = startMachine('none', [...options, '--serial', 'none', '--qmp', `unix:${path}`]);
    for (const end = Date.now() + START_MILLIS; Date.now() < end; await delay(POLL_MILLIS / 10)) {
      const socket = connect(path);
      const opened = await once(socket, 'connect').catch(() => undefined);
      if (opened === undefined) continue;
      const machine = new HeadlessMachine(process, socket, folder);
      await machine.#execute('qmp_capabilities');
      return machine;
    }
    throw new Error('the machine does not listen');
  }

  /** Waits until the screen is as it should be. @throws {Error} it is not in time */
  async until(what: string, holds: (frame: Frame) => boolean, seconds: number): Promise<Frame> {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await delay(POLL_MILLIS)) {
      const frame = await this.#screen();
      if (holds(frame)) return frame;
    }
    throw new Error(`in vain waited for ${what}`);
  }

  /** Saves the machine into a file. */
  save(path: string): Promise<void> {
    return this.#execute('vitrine-snapshot', { filename: path });
  }

  async end(): Promise<void> {
    this.#socket.destroy();
    await endProcess(this.process);
  }

  async #screen(): Promise<Frame> {
    const path = join(this.#folder, 'screen.ppm');
    await this.#execute('screendump', { filename: path });
    const frame = readPpm(readFileSync(path));
    rmSync(path);
    return frame;
  }

  async #execute(command: string, args: object = {}): Promise<void> {
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<QmpReply>();
    this.#waiting.set(id, resolve);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    const { error } = await promise;
    this.#waiting.delete(id);
    if (error) throw new Error(`${command}: ${error.desc}`);
  }
}

/** Reads a binary PPM of 8 bits a component (Netpbm's ppm(5)). */
function readPpm(file: Buffer): Frame {
  const head = PPM_HEAD.exec(file.toString('latin1', 0, PPM_HEAD_BYTES));
  if (head === null) throw new Error('the screendump is no PPM');
  const [width, height] = [Number(head[1]), Number(head[2])];
  const start = head[0].length;
  const pixel = (_: number, i: number) => OPAQUE | file.readUIntLE(start + i * 3, 3);
  return { width, height, pixels: new Uint32Array(width * height).map(pixel) };
}
