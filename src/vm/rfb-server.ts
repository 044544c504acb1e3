import { RfbError, RfbSession, type RfbTarget } from '../display/rfb/session.ts';
import type { VmConsole } from './console.ts';

/** How often the picture is drawn while somebody watches, and how long others get a turn in between at least. */
const REFRESH_MILLIS = 33;
const LEAST_REST_MILLIS = 8;
const CHALLENGE_BYTES = 16;

/** A viewer's connection, as what carries bytes gives it. */
export interface ViewerPeer {
  /** @param sent to be called when the bytes have been taken over, which are not changed before */
  send(bytes: Uint8Array, sent: () => void): void;
  /** Whether the viewer is on this host, so that compression costs more than it saves. */
  readonly isNear: boolean;
  /** Ends the connection. */
  end(): void;
}

/** The other side of it. */
export interface ViewerConnection {
  receive(bytes: Uint8Array): void;
  /** To be called when the connection has ended. */
  closed(): void;
}

/** Options of an {@link RfbServer}. */
export interface RfbServerOptions {
  /** the title of viewers' windows */
  readonly name: string;
  /** what viewers have to know; up to eight characters count */
  readonly password?: string;
  /** fills an array with random bytes that nobody can guess */
  fillRandom(bytes: Uint8Array<ArrayBuffer>): void;
}

/** Shows a machine's screen to any number of viewers. The picture is drawn only while there are some. */
export class RfbServer {
  readonly #console: VmConsole;
  readonly #target: RfbTarget;
  #viewers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(console: VmConsole, { name, password, fillRandom }: RfbServerOptions) {
    this.#console = console;
    this.#target = {
      name,
      password,
      layout: 'us',
      input: console.input,
      frame: () => console.frame,
      challenge: () => {
        const bytes = new Uint8Array(CHALLENGE_BYTES);
        fillRandom(bytes);
        return bytes;
      },
    };
  }

  /** Takes a viewer in. */
  connect(peer: ViewerPeer): ViewerConnection {
    this.#console.refresh();
    const session = new RfbSession(this.#target, (bytes, sent) => peer.send(bytes, sent), peer.isNear);
    const orEnd = (action: () => void) => {
      try {
        action();
      } catch (error) {
        if (!(error instanceof RfbError)) throw error;
        peer.end();
      }
    };
    const ignore = this.#console.onDrawn((parts) => orEnd(() => session.update(parts)));
    this.#viewers++;
    this.#timer ??= setTimeout(() => this.#draw(), REFRESH_MILLIS);
    let isOpen = true;
    return {
      receive: (bytes) => orEnd(() => isOpen && session.receive(bytes)),
      closed: () => {
        if (!isOpen) return;
        isOpen = false;
        ignore();
        this.#viewers--;
        this.#console.input.releaseAll();
      },
    };
  }

  #draw(): void {
    this.#timer = undefined;
    if (this.#viewers === 0) return;
    const began = performance.now();
    this.#console.refresh();
    const rest = REFRESH_MILLIS - (performance.now() - began);
    this.#timer = setTimeout(() => this.#draw(), Math.max(rest, LEAST_REST_MILLIS));
  }
}
