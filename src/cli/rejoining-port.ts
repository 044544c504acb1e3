import type { FrameReceiver, NetPort } from '../vm/index.ts';

/** How long a port waits before it looks for its other end again: not all alike. */
const REJOIN_MILLIS = 50;

/** What holds a port to a network that may go away. */
export interface Hold {
  readonly port: NetPort;
  release(): void;
}

/** Takes hold of a network. @param lost is called once when it has gone away  @throws {Error} it cannot be had */
export type TakeHold = (lost: () => void) => Promise<Hold>;

/** A port of a network that may go away, and is looked for then. Frames are lost meanwhile. */
export class RejoiningPort implements NetPort {
  readonly #take: TakeHold;
  #receive: FrameReceiver = () => {};
  #hold: Hold | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(take: TakeHold) {
    this.#take = take;
  }

  /** @throws {Error} the network cannot be had */
  static async join(take: TakeHold): Promise<RejoiningPort> {
    const port = new RejoiningPort(take);
    await port.#join();
    return port;
  }

  send(frame: Uint8Array): boolean {
    return this.#hold?.port.send(frame) ?? true;
  }

  onFrame(receive: FrameReceiver): void {
    this.#receive = receive;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#hold?.release();
  }

  async #join(): Promise<void> {
    const hold = await this.#take(() => this.#lost());
    if (this.#isClosed) {
      hold.release();
      return;
    }
    hold.port.onFrame((frame) => this.#receive(frame));
    this.#hold = hold;
  }

  #lost(): void {
    this.#hold = undefined;
    if (this.#isClosed) return;
    this.#timer = setTimeout(
      () => {
        this.#join().catch(() => this.#lost());
      },
      REJOIN_MILLIS * (1 + Math.random()),
    );
  }
}
