import type { Alarm, Clock } from '../machine/interfaces.ts';
import type { Input } from './input.ts';
import type { Key } from './interfaces.ts';
import { charactersOf, type LayoutName } from './layouts.ts';

/** How long a typed key is held, and the time to the next: a BIOS and its 16 keys must keep up. */
const TYPED_NANOS = 15_000_000n;
const MOST_EVENTS = 100_000;

interface KeyEvent {
  readonly key: Key;
  readonly down: boolean;
  /** how long to wait after it */
  readonly nanos: bigint;
}

/** Presses keys one after the other, in guest time. */
export class KeyPlayer {
  readonly #input: Pick<Input, 'key'>;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #events: KeyEvent[] = [];
  #idle: (() => void)[] = [];
  #playing = false;

  constructor(input: Pick<Input, 'key'>, clock: Clock) {
    this.#input = input;
    this.#clock = clock;
    this.#alarm = clock.createAlarm(() => this.#play());
  }

  /** Presses keys in order, holds all of them and releases them. To be called between slices.
   * @throws {RangeError} too much waits to be pressed */
  press(keys: readonly Key[], holdNanos: bigint = TYPED_NANOS): void {
    if (this.#events.length + keys.length * 2 > MOST_EVENTS) throw new RangeError('too many keys wait to be pressed');
    const last = keys.length - 1;
    for (const [i, key] of keys.entries()) this.#events.push({ key, down: true, nanos: i === last ? holdNanos : 0n });
    for (const [i, key] of keys.toReversed().entries()) {
      this.#events.push({ key, down: false, nanos: i === last ? TYPED_NANOS : 0n });
    }
    if (!this.#playing) this.#play();
  }

  /** Types text. Characters that the layout does not have are left out. @returns those  @throws {RangeError} as {@link press} */
  type(text: string, layout: LayoutName): string {
    const characters = charactersOf(layout);
    let missing = '';
    for (const character of text) {
      const strokes = characters.get(character);
      if (strokes === undefined) missing += character;
      for (const stroke of strokes ?? []) this.press(stroke);
    }
    return missing;
  }

  /** Resolves when all keys have been released. */
  whenDone(): Promise<void> {
    if (!this.#playing) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #play(): void {
    for (;;) {
      const event = this.#events.shift();
      this.#playing = event !== undefined;
      if (event === undefined) break;
      this.#input.key(event.key, event.down);
      if (event.nanos === 0n) continue;
      this.#alarm.arm(this.#clock.nowNanos() + event.nanos);
      return;
    }
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
