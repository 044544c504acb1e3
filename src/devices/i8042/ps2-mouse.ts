import { ByteQueue } from '../../base/byte-queue.ts';
import type { Ps2MouseState } from './state.ts';

const SET_SCALING_1_1 = 0xe6;
const SET_SCALING_2_1 = 0xe7;
const SET_RESOLUTION = 0xe8;
const STATUS_REQUEST = 0xe9;
const SET_STREAM_MODE = 0xea;
const READ_DATA = 0xeb;
const RESET_WRAP_MODE = 0xec;
const SET_WRAP_MODE = 0xee;
const SET_REMOTE_MODE = 0xf0;
const IDENTIFY = 0xf2;
const SET_SAMPLE_RATE = 0xf3;
const ENABLE = 0xf4;
const DISABLE = 0xf5;
const SET_DEFAULTS = 0xf6;
const RESEND = 0xfe;
const RESET = 0xff;
const ACK = 0xfa;
const BAT_PASSED = 0xaa;

/** Commands that only ask. */
const QUERIES = new Set([STATUS_REQUEST, READ_DATA, IDENTIFY]);

/** Sample rates set one after the other, by which a guest turns on the wheel and the fourth and fifth button. */
const KNOCK_WHEEL = (200 << 16) | (100 << 8) | 80;
const KNOCK_FIVE_BUTTONS = (200 << 16) | (200 << 8) | 80;
const ID_WHEEL = 3;
const ID_FIVE_BUTTONS = 4;

const OUTPUT_BYTES = 64;
const MAX_PACKET_BYTES = 4;
/** The most movement that waits to be reported, in counts. */
const MAX_PENDING = 32_767;
/** Movement as reported under 2:1 scaling; larger counts are doubled. */
const SCALED_2_1 = [0, 1, 1, 3, 6, 9];

/**
 * A PS/2 mouse (IBM PS/2 technical reference, "Mouse") with Microsoft's wheel and five-button extensions.
 *
 * Movement that the guest does not fetch is added up, so nothing queues but changes of buttons. The sample rate is
 * accepted without effect.
 */
export class Ps2Mouse {
  readonly #onOutput: () => void;
  readonly #output = new ByteQueue(OUTPUT_BYTES);
  #s = defaults();

  /** @param onOutput called when the mouse has something to send */
  constructor(onOutput: () => void) {
    this.#onOutput = onOutput;
  }

  /**
   * Moves the mouse and sets its buttons.
   *
   * @param dx counts to the right  @param dy counts down  @param wheel notches down
   * @param buttons bit 0 left, 1 right, 2 middle, 3 and 4 the side buttons
   */
  move(dx: number, dy: number, wheel: number, buttons: number): void {
    const s = this.#s;
    s.dx = clamp(s.dx + Math.trunc(dx), MAX_PENDING);
    s.dy = clamp(s.dy - Math.trunc(dy), MAX_PENDING);
    s.wheel = clamp(s.wheel + Math.trunc(wheel), MAX_PENDING);
    s.buttons = buttons & 0x1f;
    const streams = s.reporting && !s.remote && !s.wrap;
    if (streams && s.buttons !== s.reportedButtons && this.#output.space >= MAX_PACKET_BYTES) this.#pushPacket();
    this.#onOutput();
  }

  /** Takes a byte from the controller. */
  receive(byte: number): void {
    const s = this.#s;
    const command = s.command;
    s.command = 0;
    this.#output.clear();
    if (s.wrap && byte !== RESET && byte !== RESET_WRAP_MODE) this.#reply(byte);
    else if (command !== 0) this.#takeArgument(command, byte);
    else this.#takeCommand(byte);
    this.#onOutput();
  }

  /** The next byte for the controller, or undefined when there is none. */
  send(): number | undefined {
    const s = this.#s;
    if (this.#output.length === 0 && s.reporting && !s.remote && !s.wrap && this.#moved()) this.#pushPacket();
    const byte = this.#output.shift();
    if (byte !== undefined) s.lastSent = byte;
    return byte;
  }

  save(): Ps2MouseState {
    return { ...this.#s, output: this.#output.toBytes() };
  }

  restore(state: Ps2MouseState): void {
    const { output, ...rest } = state;
    this.#output.load(output);
    this.#s = rest;
  }

  #moved(): boolean {
    const { dx, dy, wheel, id, buttons, reportedButtons } = this.#s;
    return dx !== 0 || dy !== 0 || (wheel !== 0 && id !== 0) || buttons !== reportedButtons;
  }

  #reply(...bytes: number[]): void {
    for (const byte of bytes) this.#output.push(byte);
  }

  #takeCommand(byte: number): void {
    if (byte === RESEND) {
      this.#reply(this.#s.lastSent);
    } else if (!this.#obey(byte) && !QUERIES.has(byte)) {
      this.#reply(RESEND);
    } else {
      this.#reply(ACK);
      this.#answer(byte);
    }
  }

  /** Carries out a command that changes something. @returns false when it is none of these */
  #obey(byte: number): boolean {
    const s = this.#s;
    if (byte === SET_RESOLUTION || byte === SET_SAMPLE_RATE) s.command = byte;
    else if (byte === SET_SCALING_1_1 || byte === SET_SCALING_2_1) s.scaling = byte === SET_SCALING_2_1;
    else if (byte === SET_STREAM_MODE || byte === SET_REMOTE_MODE) s.remote = byte === SET_REMOTE_MODE;
    else if (byte === SET_WRAP_MODE || byte === RESET_WRAP_MODE) s.wrap = byte === SET_WRAP_MODE;
    else if (byte === ENABLE || byte === DISABLE) s.reporting = byte === ENABLE;
    else if (byte === SET_DEFAULTS) this.#setDefaults(s.id);
    else if (byte === RESET) this.#setDefaults(0);
    else return false;
    return true;
  }

  /** What follows the acknowledgement of some commands. */
  #answer(byte: number): void {
    const { resolution, sampleRate, id } = this.#s;
    if (byte === STATUS_REQUEST) this.#reply(this.#status(), resolution, sampleRate);
    else if (byte === READ_DATA) this.#pushPacket();
    else if (byte === IDENTIFY) this.#reply(id);
    else if (byte === RESET) this.#reply(BAT_PASSED, 0);
  }

  #takeArgument(command: number, byte: number): void {
    const s = this.#s;
    this.#reply(ACK);
    if (command === SET_RESOLUTION) {
      s.resolution = byte & 3;
      return;
    }
    s.sampleRate = byte;
    s.rateKnock = ((s.rateKnock << 8) | byte) & 0xff_ffff;
    if (s.rateKnock === KNOCK_WHEEL && s.id === 0) s.id = ID_WHEEL;
    if (s.rateKnock === KNOCK_FIVE_BUTTONS) s.id = ID_FIVE_BUTTONS;
  }

  #setDefaults(id: number): void {
    const { buttons, lastSent } = this.#s;
    this.#s = { ...defaults(), id, buttons, reportedButtons: buttons, lastSent };
  }

  #status(): number {
    const { remote, reporting, scaling, buttons } = this.#s;
    const modes = (remote ? 0x40 : 0) | (reporting ? 0x20 : 0) | (scaling ? 0x10 : 0);
    return modes | ((buttons & 1) << 2) | ((buttons & 4) >> 1) | ((buttons & 2) >> 1);
  }

  /** Reports as much movement as fits into a packet; the rest goes into the next. */
  #pushPacket(): void {
    const s = this.#s;
    const dx = clamp(s.dx, s.scaling ? 127 : 255);
    const dy = clamp(s.dy, s.scaling ? 127 : 255);
    s.dx -= dx;
    s.dy -= dy;
    s.reportedButtons = s.buttons;
    const [x, y] = [s.scaling ? scale(dx) : dx, s.scaling ? scale(dy) : dy];
    this.#reply(0x08 | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0) | (s.buttons & 7), x & 0xff, y & 0xff);
    if (s.id !== 0) this.#pushWheelByte();
    else s.wheel = 0;
  }

  #pushWheelByte(): void {
    const s = this.#s;
    const wheel = clamp(s.wheel, 7);
    s.wheel -= wheel;
    this.#reply(s.id === ID_FIVE_BUTTONS ? (wheel & 0x0f) | ((s.buttons & 0x18) << 1) : wheel & 0xff);
  }
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}

function scale(count: number): number {
  return Math.sign(count) * (SCALED_2_1[Math.abs(count)] ?? Math.abs(count) * 2);
}

function defaults(): Omit<Ps2MouseState, 'output'> {
  return {
    command: 0,
    remote: false,
    wrap: false,
    reporting: false,
    scaling: false,
    resolution: 2,
    sampleRate: 100,
    rateKnock: 0,
    id: 0,
    buttons: 0,
    reportedButtons: 0,
    dx: 0,
    dy: 0,
    wheel: 0,
    lastSent: 0,
  };
}
