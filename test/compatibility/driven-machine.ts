import { setTimeout as delay } from 'node:timers/promises';
import { loadMachine, type Machine } from '../../src/cli/machine.ts';
import { runProgram } from '../../src/cli/program.ts';
import { run } from '../../src/cli/run.ts';
import type { Frame } from '../../src/display/interfaces.ts';
import { requireKey } from '../../src/display/keys.ts';
import type { VmConsole } from '../../src/vm/index.ts';
import { TestSerial } from '../guests/machine.ts';
import { type Glyphs, readGlyphs } from './glyphs.ts';

const POLL_MILLIS = 250;
const NANOS_PER_MILLI = 1_000_000n;
const KEY_MILLIS = 60n;
/** How many times longer by the clock a step may take than on the processor. */
const BUSY_HOST = 10;
/** How many times longer the machine works than is spent on looking at it: text is read from thousands of cells. */
const WORK_TO_LOOKS = 20;

/** A machine as `vitrine run` makes it, with someone in front of it who reads the screen and types. */
export class DrivenMachine {
  readonly serial: TestSerial;
  readonly #console: VmConsole;
  readonly #glyphs: Glyphs;
  #ending: string | undefined;

  private constructor(serial: TestSerial, console: VmConsole, glyphs: Glyphs, ended: Promise<string>) {
    this.serial = serial;
    this.#console = console;
    this.#glyphs = glyphs;
    void ended.then((ending) => {
      this.#ending = ending;
    });
  }

  /**
   * Starts a machine.
   * @param args as of the command line, behind `run`
   * @param glyphs of text in pictures
   * @throws {Error} it does not start
   */
  static async start(args: readonly string[], glyphs: Glyphs = new Map()): Promise<DrivenMachine> {
    const { promise: made, resolve: hasMade } = Promise.withResolvers<Machine>();
    const serial = new TestSerial();
    const load = async () => {
      const make = await loadMachine();
      return async (config: Parameters<typeof make>[0]) => {
        const machine = await make({ ...config, serial: [serial] });
        hasMade(machine);
        return machine;
      };
    };
    const finished = runProgram(['run', '--serial', 'none', ...args], {
      run: (medium, options) => run(medium, options, load),
      image: async () => 1,
      named: async () => 1,
    });
    const ended = finished.then(
      (status) => `status ${status}`,
      (error: Error) => error.message,
    );
    const console = await Promise.race([made.then((machine) => machine.console()), ended]);
    if (typeof console === 'string') throw new Error(`the machine did not start: ${console}`);
    return new DrivenMachine(serial, console, glyphs, ended);
  }

  /** How the machine ended, once it has. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /** The screen's text, read from its pixels where it shows a picture. */
  screenText(): string {
    this.#console.refresh();
    return (this.#console.text() ?? readGlyphs(this.#console.frame, this.#glyphs)).join('\n');
  }

  /** The screen's picture. */
  get frame(): Frame {
    this.#console.refresh();
    return this.#console.frame;
  }

  screenshot(): Promise<Uint8Array> {
    return this.#console.screenshot('png');
  }

  /**
   * Waits for a condition, for the end of the machine, or for the time to pass: that which this process gets on the
   * processor, so that a busy host does not matter, or ten times as much by the clock. @returns whether the condition came true
   */
  async until(condition: () => boolean, seconds: number): Promise<boolean> {
    const [start, worked] = [Date.now(), process.cpuUsage()];
    const spentSeconds = () => {
      const { user, system } = process.cpuUsage(worked);
      return Math.max((user + system) / 1e6, (Date.now() - start) / 1e3 / BUSY_HOST);
    };
    while (spentSeconds() < seconds && this.#ending === undefined) {
      const before = Date.now();
      if (condition()) return true;
      await delay(Math.max(POLL_MILLIS, (Date.now() - before) * WORK_TO_LOOKS));
    }
    return condition();
  }

  /** Presses a key, or several at once joined by `-`, by QEMU's names. */
  async press(combination: string): Promise<void> {
    this.#console.keys.press(combination.split('-').map(requireKey), KEY_MILLIS * NANOS_PER_MILLI);
    await this.#console.keys.whenDone();
  }

  /** Types text on an American keyboard. */
  async type(text: string): Promise<void> {
    this.#console.keys.type(text, 'us');
    await this.#console.keys.whenDone();
  }

  /** Moves the mouse, or a tablet where the guest listens to one. */
  point(dx: number, dy: number): void {
    const { input } = this.#console;
    if (input.isAbsolute) input.pointAbsolute(0x4000 + dx * 16, 0x4000 + dy * 16, 0, 0);
    else input.move(dx, dy, 0, 0);
  }
}
