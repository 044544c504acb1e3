import { type AbsolutePointerSink, type InputSinks, type Key, POINTER_RANGE } from './interfaces.ts';

/**
 * Brings keys and pointer movement of viewers to the guest's devices: absolute positions to a tablet that the guest
 * listens to, and as movement to the mouse otherwise.
 */
export class Input {
  readonly #sinks: InputSinks;
  readonly #held = new Set<Key>();
  #x = 0;
  #y = 0;
  #buttons = 0;

  constructor(sinks: InputSinks) {
    this.#sinks = sinks;
  }

  /** Whether the guest wants to know where the pointer is, not how far it moved. */
  get isAbsolute(): boolean {
    return this.#tablet !== undefined;
  }

  /** Presses or releases a key. Pressing it again does nothing: the guest's keyboard repeats by itself. */
  key(key: Key, down: boolean): void {
    this.#change(key, down, true);
  }

  /**
   * Presses or releases a key for somebody who looks at the screen from afar. Pressing it again repeats it: viewers do so while it
   * is held, and know how long it is, when their messages may have been held up on the way.
   */
  keyOfViewer(key: Key, down: boolean): void {
    if (down && this.#held.has(key)) this.#sinks.keyboard.again(key);
    else this.#change(key, down, false);
  }

  /** Releases every key and button: their viewer has gone. */
  releaseAll(): void {
    for (const key of [...this.#held]) this.key(key, false);
    if (this.#buttons !== 0) this.move(0, 0, 0, 0);
  }

  /** Puts the pointer at a pixel of a screen. @param wheel notches down */
  point(x: number, y: number, screen: { width: number; height: number }, buttons: number, wheel: number): void {
    const [dx, dy] = [x - this.#x, y - this.#y];
    [this.#x, this.#y, this.#buttons] = [x, y, buttons];
    const tablet = this.#tablet;
    if (tablet) tablet.point(scaled(x, screen.width), scaled(y, screen.height), wheel, buttons);
    else this.#sinks.mouse.move(dx, dy, wheel, buttons);
  }

  /** Puts the pointer at a place of the whole screen. @param x 0 to POINTER_RANGE - 1 */
  pointAbsolute(x: number, y: number, buttons: number, wheel: number): void {
    this.#buttons = buttons;
    this.#tablet?.point(x, y, wheel, buttons);
  }

  /** Moves the mouse. */
  move(dx: number, dy: number, buttons: number, wheel: number): void {
    this.#buttons = buttons;
    this.#sinks.mouse.move(dx, dy, wheel, buttons);
  }

  #change(key: Key, down: boolean, repeats: boolean): void {
    if (down === this.#held.has(key)) return;
    if (down) this.#held.add(key);
    else this.#held.delete(key);
    this.#sinks.keyboard.key(key, down, repeats);
  }

  get #tablet(): AbsolutePointerSink | undefined {
    return this.#sinks.tablets.find(({ isActive }) => isActive);
  }
}

function scaled(position: number, range: number): number {
  const share = position / Math.max(1, range - 1);
  return Math.max(0, Math.min(POINTER_RANGE - 1, Math.round(share * (POINTER_RANGE - 1))));
}
