import type { DrivenMachine } from './driven-machine.ts';
import { countColors, groundPercent } from './glyphs.ts';

/** What someone in front of a machine does or waits for. */
export type Step =
  /** Text appears on the screen. */
  | { readonly screen: RegExp; readonly seconds?: number }
  /** Text arrives on the first serial line. */
  | { readonly serial: RegExp; readonly seconds?: number }
  /** The screen shows a picture of at least so many colours. */
  | { readonly colors: number; readonly seconds?: number }
  /** At most so many percent of the screen have one and the same colour: it is full of things. */
  | { readonly ground: number; readonly seconds?: number }
  /** The picture differs from what it was before the step. */
  | { readonly moves: readonly [dx: number, dy: number]; readonly seconds?: number }
  /** The picture changes by itself. */
  | { readonly changes: true; readonly seconds?: number }
  /** The machine ends. */
  | { readonly ends: RegExp; readonly seconds?: number }
  /** Keys by QEMU's names, several at once joined by `-`. */
  | { readonly press: string }
  /** Text on the keyboard. */
  | { readonly type: string }
  /** Text on the first serial line. */
  | { readonly send: string }
  /** Takes the picture that the table shows; without it, the last one is shown. */
  | { readonly picture: true };

const USUAL_SECONDS = 60;

/**
 * Takes steps one after the other.
 * @param patience how many times longer than on an idle host a step may take
 * @returns the first that failed, in words; undefined where all went well
 */
export async function takeSteps(
  machine: DrivenMachine,
  steps: readonly Step[],
  patience: number,
  takePicture: () => Promise<void>,
): Promise<string | undefined> {
  for (const step of steps) {
    const seconds = ('seconds' in step ? (step.seconds ?? USUAL_SECONDS) : USUAL_SECONDS) * patience;
    if ('picture' in step) await takePicture();
    else if (!(await takeStep(machine, step, seconds))) {
      return `${describe(step)} ${machine.ending === undefined ? `not within ${seconds} s` : `not before the end: ${machine.ending}`}`;
    }
  }
  return undefined;
}

async function takeStep(
  machine: DrivenMachine,
  step: Exclude<Step, { picture: true }>,
  seconds: number,
): Promise<boolean> {
  if ('screen' in step) return machine.until(() => step.screen.test(machine.screenText()), seconds);
  if ('serial' in step) return machine.until(() => step.serial.test(machine.serial.output), seconds);
  if ('colors' in step) return machine.until(() => countColors(machine.frame) >= step.colors, seconds);
  if ('ground' in step) return machine.until(() => groundPercent(machine.frame) <= step.ground, seconds);
  if ('ends' in step) return machine.until(() => step.ends.test(machine.ending ?? ''), seconds);
  if ('changes' in step) return differs(machine, seconds);
  if ('moves' in step) return moves(machine, step.moves, seconds);
  if ('press' in step) await machine.press(step.press);
  else if ('type' in step) await machine.type(step.type);
  else machine.serial.type(step.send);
  return true;
}

/** Moves the pointer again and again until the picture changes by it. */
function moves(machine: DrivenMachine, [dx, dy]: readonly [number, number], seconds: number): Promise<boolean> {
  return differs(machine, seconds, () => machine.point(dx, dy));
}

/** Waits until the picture is not what it was, and does something before each look. */
async function differs(machine: DrivenMachine, seconds: number, act: () => void = () => {}): Promise<boolean> {
  const before = machine.frame.pixels.slice();
  return machine.until(() => {
    act();
    return machine.frame.pixels.some((pixel, i) => pixel !== before[i]);
  }, seconds);
}

function describe(step: Step): string {
  return Object.entries(step)
    .filter(([name]) => name !== 'seconds')
    .map(([name, value]) => `${name} ${value}`)
    .join(' ');
}
