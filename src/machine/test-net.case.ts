import type { FrameReceiver, NetPort } from './interfaces.ts';

/** The other end of a card's link in a test. */
export class TestNet implements NetPort {
  readonly sent: Uint8Array[] = [];
  /** Whether frames are taken. */
  open = true;
  #receive: FrameReceiver = () => {};

  send(frame: Uint8Array): boolean {
    if (this.open) this.sent.push(frame.slice());
    return this.open;
  }

  onFrame(receive: FrameReceiver): void {
    this.#receive = receive;
  }

  /** Has a frame arrive at the card. @returns whether it was taken */
  arrive(frame: Uint8Array): boolean {
    return this.#receive(frame) !== false;
  }
}

/** A frame to a MAC address, `length` bytes long, with counting bytes behind the header. */
export function testFrame(to: readonly number[], length: number): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, i) => i);
  frame.set(to);
  frame.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 6);
  return frame;
}

export const BROADCAST = [255, 255, 255, 255, 255, 255];
