import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NamedMachine } from '../../src/cli/named/client.ts';
import type { Frame } from '../../src/display/interfaces.ts';
import { endProcess, startMachine } from './viewer.ts';

const POLL_MILLIS = 5_000;
const START_MILLIS = 60_000;
const OPAQUE = 0xff000000;
const PPM_HEAD = /^P6\s+(\d+)\s+(\d+)\s+255\s/;
const PPM_HEAD_BYTES = 32;

/** A machine without a display, driven by QMP. */
export class HeadlessMachine {
  readonly process: ChildProcess;
  readonly #machine: NamedMachine;
  readonly #folder: string;

  private constructor(process: ChildProcess, machine: NamedMachine, folder: string) {
    this.process = process;
    this.#machine = machine;
    this.#folder = folder;
  }

  /** @param folder for its files  @param options of `vitrine run` */
  static async start(folder: string, options: readonly string[]): Promise<HeadlessMachine> {
    const path = join(folder, 'qmp');
    const process = startMachine('none', [...options, '--serial', 'none', '--qmp', `unix:${path}`]);
    return new HeadlessMachine(process, await NamedMachine.at(path, 'headless', START_MILLIS), folder);
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
  async save(path: string): Promise<void> {
    await this.#machine.execute('vitrine-snapshot', { filename: path });
  }

  async end(): Promise<void> {
    this.#machine.close();
    await endProcess(this.process);
  }

  async #screen(): Promise<Frame> {
    const path = join(this.#folder, 'screen.ppm');
    await this.#machine.execute('screendump', { filename: path });
    const frame = readPpm(readFileSync(path));
    rmSync(path);
    return frame;
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
