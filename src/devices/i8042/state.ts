import type { DeviceState } from '../../machine/interfaces.ts';

export const I8042_VERSION = 2;

/** Who put a byte into the output buffer. */
export type OutputSource = 'controller' | 'keyboard' | 'aux';

/** A byte for the output buffer. */
export interface OutputByte {
  readonly byte: number;
  readonly source: OutputSource;
}

/** What the keyboard remembers. */
export interface Ps2KeyboardState {
  /** Answers to commands, which go out before scan codes. */
  replies: Uint8Array;
  scanCodes: Uint8Array;
  /** Keys are being lost until `scanCodes` is empty. */
  overrun: boolean;
  /** The command that waits for its argument, or 0. */
  command: number;
  scanning: boolean;
  /** 1, 2 or 3. */
  scanCodeSet: number;
  leds: number;
  lastSent: number;
  /** Typematic rate and delay, as the guest sets them. */
  typematic: number;
  /** The held key that is repeated, or 0, and when that happens next. */
  repeated: number;
  repeatNanos: bigint;
}

/** What the mouse remembers. */
export interface Ps2MouseState {
  output: Uint8Array;
  /** The command that waits for its argument, or 0. */
  command: number;
  remote: boolean;
  wrap: boolean;
  reporting: boolean;
  scaling: boolean;
  resolution: number;
  sampleRate: number;
  /** The last three sample rates, the newest in bits 7-0: the knock by which a guest asks for the wheel. */
  rateKnock: number;
  /** 0 plain, 3 with wheel, 4 with wheel and five buttons. */
  id: number;
  buttons: number;
  reportedButtons: number;
  dx: number;
  dy: number;
  wheel: number;
  lastSent: number;
}

/** Everything an {@link I8042} and its two devices remember. */
export interface I8042State extends DeviceState {
  version: typeof I8042_VERSION;
  /** The controller's RAM; byte 0 is the command byte. */
  ram: Uint8Array;
  /** The command that waits for its byte at port 60h, or 0. */
  command: number;
  /** The last write was a command (status bit 3). */
  wroteCommand: boolean;
  a20: boolean;
  output: OutputByte;
  outputFull: boolean;
  replies: OutputByte[];
  /** A break prefix F0h waits for the code that it belongs to. */
  releasePrefix: boolean;
  /** When the next byte of a device may arrive, or null when it may at once. */
  nextByteNanos: bigint | null;
  keyboard: Ps2KeyboardState;
  mouse: Ps2MouseState;
}
