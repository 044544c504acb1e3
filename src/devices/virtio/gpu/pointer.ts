import { requireVersion } from '../../../base/state-version.ts';
import type { PointerImage } from '../../../display/interfaces.ts';
import type { DeviceState } from '../../../machine/interfaces.ts';
import { CURSOR_FORMAT, CURSOR_SIZE, PIXEL_BYTES } from './protocol.ts';
import type { GpuResource } from './resource.ts';

const STATE_VERSION = 1;

/** The pointer that the device lays over its screen (virtio 1.2 section 5.7.6.10). */
export class Pointer {
  #x = 0;
  #y = 0;
  /** Its pixels as they were when the guest showed it; undefined while it is hidden. */
  #pixels: Uint32Array | undefined;
  #image: PointerImage | undefined;

  /** Another object whenever anything has changed. */
  get image(): PointerImage | undefined {
    return this.#image;
  }

  /** @param x of its upper left corner, 32 bits: a negative one is left of the screen */
  move(x: number, y: number): void {
    this.#x = x | 0;
    this.#y = y | 0;
    this.#refresh();
  }

  /** Shows a picture, or hides the pointer: so does a picture that is none of a pointer. */
  show(picture: GpuResource | undefined): void {
    const isPointer = picture?.width === CURSOR_SIZE && picture.height === CURSOR_SIZE;
    this.#pixels = isPointer && picture.format === CURSOR_FORMAT ? pixelsOf(picture.bytes) : undefined;
    this.#refresh();
  }

  save(): DeviceState {
    const bytes = this.#pixels && new Uint8Array(this.#pixels.slice().buffer);
    return { version: STATE_VERSION, x: this.#x, y: this.#y, pixels: bytes ?? null };
  }

  restore(state: DeviceState): void {
    requireVersion('Pointer', state.version, STATE_VERSION);
    this.#x = Number(state.x);
    this.#y = Number(state.y);
    const bytes = state.pixels as Uint8Array | null;
    this.#pixels = bytes ? new Uint32Array(bytes.slice().buffer) : undefined;
    this.#refresh();
  }

  #refresh(): void {
    const pixels = this.#pixels;
    this.#image = pixels && { x: this.#x, y: this.#y, width: CURSOR_SIZE, height: CURSOR_SIZE, pixels };
  }
}

/** Blue, green, red and alpha in memory become a frame's red, green, blue, with alpha above. */
function pixelsOf(bytes: Uint8Array): Uint32Array {
  const pixels = new Uint32Array(bytes.length / PIXEL_BYTES);
  for (let i = 0, at = 0; i < pixels.length; i++, at += PIXEL_BYTES) {
    pixels[i] = bytes[at + 2] | (bytes[at + 1] << 8) | (bytes[at] << 16) | (bytes[at + 3] << 24);
  }
  return pixels;
}
