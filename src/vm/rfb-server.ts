import { RfbError, RfbSession, type RfbTarget } from '../display/rfb/session.ts';
import type { VmConsole } from './console.ts';

/** How long it takes from a look at the picture to the next while somebody waits for a change, and while there has been none for some looks. */
const LOOK_MILLIS = 16;
const QUIET_LOOK_MILLIS = 33;
const LOOKS_UNTIL_QUIET = 8;
/** How long the machine gets after a look at least; as long as the look took where that is longer. */
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

/** Shows a machine's screen to any number of viewers. The picture is drawn only while one of them waits for changes. */
export class RfbServer {
  readonly #console: VmConsole;
  readonly #target: RfbTarget;
  readonly #sessions = new Set<RfbSession>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the next look may be, and how many looks have shown no change. */
  #nextLookMillis = 0;
  #looksInVain = 0;

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
    const ignore = this.#console.onDrawn((parts) => {
      if (parts.length > 0) this.#looksInVain = 0;
      orEnd(() => session.update(parts));
    });
    this.#sessions.add(session);
    return {
      receive: (bytes) => {
        orEnd(() => this.#sessions.has(session) && session.receive(bytes));
        this.#awaitLook();
      },
      closed: () => {
        if (!this.#sessions.delete(session)) return;
        ignore();
        this.#console.input.releaseAll();
      },
    };
  }

  /** Sees to it that there will be a look if somebody waits for one. */
  #awaitLook(): void {
    if (this.#timer !== undefined || ![...this.#sessions].some(({ isWaiting }) => isWaiting)) return;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, this.#nextLookMillis - performance.now()));
  }

  #look(): void {
    this.#timer = undefined;
    const began = performance.now();
    this.#looksInVain++;
    this.#console.refresh();
    const took = performance.now() - began;
    const usual = this.#looksInVain > LOOKS_UNTIL_QUIET ? QUIET_LOOK_MILLIS : LOOK_MILLIS;
    this.#nextLookMillis = began + Math.max(usual, took + Math.max(LEAST_REST_MILLIS, took));
    this.#awaitLook();
  }
}
