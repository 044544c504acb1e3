import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Frame } from '../../src/display/interfaces.ts';
import { projectRoot } from '../source-files.ts';

const POLL_MILLIS = 200;

/** Keys besides letters, digits and space that a {@link Viewer} presses. */
export type NamedKey = 'Enter' | 'ArrowDown';

/** A program in which a person sees a machine's screen, with someone in front of it. */
export interface Viewer {
  /** Its processes' parent, for {@link import('../../bench/processor-time.ts')}. */
  readonly pid: number;
  /** The guest's screen as the viewer shows it; undefined: it shows none yet. */
  see(): Promise<Frame | undefined>;
  /** Moves the pointer to a pixel of the guest's screen. */
  moveTo(x: number, y: number): Promise<void>;
  /** Presses or releases the left button where the pointer is. */
  button(pressed: boolean): Promise<void>;
  press(key: NamedKey): Promise<void>;
  /** Types lower-case letters, digits and spaces. */
  type(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Waits until a viewer's picture is as it should be. @param act done before each look  @throws {Error} it is not in time */
export async function untilSeen(
  viewer: Viewer,
  what: string,
  holds: (frame: Frame) => boolean,
  seconds: number,
  act: () => Promise<void> = async () => {},
): Promise<Frame> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await delay(POLL_MILLIS)) {
    await act();
    const frame = await viewer.see();
    if (frame && holds(frame)) return frame;
  }
  throw new Error(`in vain waited for ${what}`);
}

/** Red, green and blue of a pixel, red highest. */
export function colorAt({ pixels, width }: Frame, x: number, y: number): number {
  const pixel = pixels[y * width + x];
  return ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >>> 16) & 0xff);
}

/** Starts `vitrine run` with options, as a user does. */
export function startMachine(display: string, options: readonly string[]): ChildProcess {
  const args = [join(projectRoot, 'bin/vitrine'), 'run', '--display', display, ...options];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, 'exit');
}
