import { Input } from '../display/input.ts';
import type { Frame, Rect } from '../display/interfaces.ts';
import { KeyPlayer } from '../display/key-player.ts';
import { encodePng, encodePpm } from '../display/pictures.ts';
import { Screen } from '../display/screen.ts';
import type { Peripherals } from './peripherals.ts';

/** Formats of screenshots. */
export const PICTURE_FORMATS = ['png', 'ppm'] as const;
/** The format of a screenshot. */
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

/** A machine's screen, keyboard and mouse, as everything outside shares them. */
export class VmConsole {
  readonly input: Input;
  /** Presses keys in guest time. */
  readonly keys: KeyPlayer;
  readonly #screen: Screen;
  readonly #viewers = new Set<(parts: readonly Rect[]) => void>();

  constructor({ display, input, clock }: Peripherals) {
    this.#screen = new Screen(display);
    this.input = new Input(input);
    this.keys = new KeyPlayer(this.input, clock);
    this.refresh();
  }

  /** The picture as it was last drawn. */
  get frame(): Frame {
    return this.#screen.frame;
  }

  /** Draws what has changed, and tells every viewer. */
  refresh(): void {
    const parts = this.#screen.refresh();
    for (const tell of this.#viewers) tell(parts);
  }

  /** @param tell called with the parts that were drawn anew, none among them, each time the picture is drawn, until the returned function is called */
  onDrawn(tell: (parts: readonly Rect[]) => void): () => void {
    this.#viewers.add(tell);
    return () => void this.#viewers.delete(tell);
  }

  /** What the screen shows now, as a file. */
  async screenshot(format: PictureFormat): Promise<Uint8Array<ArrayBuffer>> {
    this.refresh();
    return format === 'png' ? encodePng(this.frame) : encodePpm(this.frame);
  }

  /** The rows of a text screen, as of now; undefined where no text is shown. */
  text(): string[] | undefined {
    return this.#screen.text();
  }
}
