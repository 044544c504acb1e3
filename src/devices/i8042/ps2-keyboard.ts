import { ByteQueue } from '../../base/byte-queue.ts';
import type { Alarm, Clock } from '../../machine/interfaces.ts';
import { KEY_PAUSE, scanCodeBytes } from './scan-codes.ts';
import type { Ps2KeyboardState } from './state.ts';

const SET_LEDS = 0xed;
const ECHO = 0xee;
const SCAN_CODE_SET = 0xf0;
const IDENTIFY = 0xf2;
const SET_TYPEMATIC = 0xf3;
const ENABLE = 0xf4;
const DISABLE = 0xf5;
const SET_DEFAULTS = 0xf6;
const SET_ALL_KEYS_FIRST = 0xf7;
const SET_ALL_KEYS_LAST = 0xfa;
const SET_KEY_FIRST = 0xfb;
const SET_KEY_LAST = 0xfd;
const RESEND = 0xfe;
const RESET = 0xff;
const ACK = 0xfa;
const BAT_PASSED = 0xaa;
const IDENTITY = [0xab, 0x83];
const OVERRUN_SETS_2_3 = 0x00;
const OVERRUN_SET_1 = 0xff;

const REPLY_BYTES = 16;
/** A real keyboard holds 16; more lets a script type. */
const SCAN_CODE_BYTES = 256;

/** The typematic rate and delay of power-on: 10.9 a second after half a second. */
const TYPEMATIC_DEFAULT = 0x2b;
const TYPEMATIC_DELAY_NANOS = 250_000_000n;
/** The unit of the typematic period. */
const TYPEMATIC_UNIT_NANOS = 4_170_000n;

/**
 * A PS/2 keyboard with 102 keys (IBM PS/2 technical reference, "Keyboards").
 *
 * The key that was pressed last is repeated while it is held, unless who presses it does that. The per-key modes of set 3
 * are accepted without effect: every key makes, repeats and breaks in every set.
 */
export class Ps2Keyboard {
  readonly #onOutput: () => void;
  readonly #replies = new ByteQueue(REPLY_BYTES);
  readonly #scanCodes = new ByteQueue(SCAN_CODE_BYTES);
  #overrun = false;
  #command = 0;
  #scanning = true;
  #scanCodeSet = 2;
  #leds = 0;
  #lastSent = 0;
  #typematic = TYPEMATIC_DEFAULT;
  /** The key that is repeated next, and when; 0 for none. */
  #repeated = 0;
  #repeatNanos = 0n;
  readonly #clock: Clock;
  readonly #alarm: Alarm;

  /** @param onOutput called when the keyboard has something to send */
  constructor(clock: Clock, onOutput: () => void) {
    this.#clock = clock;
    this.#onOutput = onOutput;
    this.#alarm = clock.createAlarm(() => this.#repeat());
  }

  /** The lit LEDs: bit 0 scroll lock, bit 1 num lock, bit 2 caps lock. */
  get leds(): number {
    return this.#leds;
  }

  /** Bytes of scan codes that may still be queued; a key takes up to eight. */
  get scanCodeSpace(): number {
    return this.#overrun ? 0 : this.#scanCodes.space - 1;
  }

  /**
   * Presses or releases a key. When one does not fit into the queue the guest is told, and keys are lost until it has
   * fetched them all.
   *
   * @param code its set 2 code: one byte, E0xxh for an extended key, KEY_PRINT_SCREEN or KEY_PAUSE
   * @param repeats whether it is repeated while it is held
   */
  key(code: number, down: boolean, repeats = true): void {
    const delayNanos = TYPEMATIC_DELAY_NANOS * BigInt(((this.#typematic >> 5) & 3) + 1);
    if (down) this.#repeatAt(code === KEY_PAUSE || !repeats ? 0 : code, this.#clock.nowNanos() + delayNanos);
    else if (code === this.#repeated) this.#repeatAt(0, 0n);
    this.#tell(code, down);
  }

  /** Repeats a held key. A guest that does not fetch its keys gets no more of them. */
  again(code: number): void {
    if (this.#scanCodes.length === 0) this.#tell(code, true);
  }

  /** Takes a byte from the controller. */
  receive(byte: number): void {
    const command = this.#command;
    this.#command = 0;
    if (command !== 0) this.#takeArgument(command, byte);
    else this.#takeCommand(byte);
    this.#onOutput();
  }

  /** The next byte for the controller, or undefined when there is none. */
  send(): number | undefined {
    const byte = this.#replies.shift() ?? this.#scanCodes.shift();
    if (byte !== undefined) this.#lastSent = byte;
    if (this.#scanCodes.length === 0) this.#overrun = false;
    return byte;
  }

  save(): Ps2KeyboardState {
    return {
      replies: this.#replies.toBytes(),
      scanCodes: this.#scanCodes.toBytes(),
      overrun: this.#overrun,
      command: this.#command,
      scanning: this.#scanning,
      scanCodeSet: this.#scanCodeSet,
      leds: this.#leds,
      lastSent: this.#lastSent,
      typematic: this.#typematic,
      repeated: this.#repeated,
      repeatNanos: this.#repeatNanos,
    };
  }

  restore(state: Ps2KeyboardState): void {
    this.#replies.load(state.replies);
    this.#scanCodes.load(state.scanCodes);
    this.#overrun = state.overrun;
    this.#command = state.command;
    this.#scanning = state.scanning;
    this.#scanCodeSet = state.scanCodeSet;
    this.#leds = state.leds;
    this.#lastSent = state.lastSent;
    this.#typematic = state.typematic;
    this.#repeatAt(state.repeated, state.repeatNanos);
  }

  #tell(code: number, down: boolean): void {
    if (!this.#scanning) return;
    const bytes = scanCodeBytes(this.#scanCodeSet, code, down);
    if (this.scanCodeSpace >= bytes.length) this.#push(bytes);
    else this.#loseKeys();
    this.#onOutput();
  }

  #repeatAt(code: number, nanos: bigint): void {
    this.#repeated = code;
    this.#repeatNanos = nanos;
    if (code === 0) this.#alarm.cancel();
    else this.#alarm.arm(nanos);
  }

  #repeat(): void {
    this.again(this.#repeated);
    const periodNanos = TYPEMATIC_UNIT_NANOS * BigInt((8 + (this.#typematic & 7)) << ((this.#typematic >> 3) & 3));
    this.#repeatAt(this.#repeated, this.#clock.nowNanos() + periodNanos);
  }

  #reply(...bytes: number[]): void {
    for (const byte of bytes) this.#replies.push(byte);
  }

  #push(bytes: readonly number[]): void {
    for (const byte of bytes) this.#scanCodes.push(byte);
  }

  #loseKeys(): void {
    if (!this.#overrun) this.#push([this.#scanCodeSet === 1 ? OVERRUN_SET_1 : OVERRUN_SETS_2_3]);
    this.#overrun = true;
  }

  #takeCommand(byte: number): void {
    if (byte === SET_LEDS || byte === SCAN_CODE_SET || byte === SET_TYPEMATIC) this.#await(byte);
    else if (byte >= SET_KEY_FIRST && byte <= SET_KEY_LAST) this.#await(byte);
    else if (byte === ECHO) this.#reply(ECHO);
    else if (byte === IDENTIFY) this.#reply(ACK, ...IDENTITY);
    else if (byte === ENABLE) this.#startOver(true, false);
    else if (byte === DISABLE) this.#startOver(false, true);
    else if (byte === SET_DEFAULTS) this.#startOver(true, true);
    else if (byte >= SET_ALL_KEYS_FIRST && byte <= SET_ALL_KEYS_LAST) this.#reply(ACK);
    else if (byte === RESET) this.#reset();
    else this.#reply(byte === RESEND ? this.#lastSent : RESEND);
  }

  #await(command: number): void {
    this.#command = command;
    this.#reply(ACK);
  }

  #takeArgument(command: number, byte: number): void {
    this.#reply(ACK);
    if (command === SET_LEDS) this.#leds = byte & 7;
    if (command === SET_TYPEMATIC) this.#typematic = byte & 0x7f;
    if (command !== SCAN_CODE_SET) return;
    if (byte === 0) this.#reply(this.#scanCodeSet);
    else if (byte <= 3) this.#scanCodeSet = byte;
  }

  /** ENABLE, DISABLE and SET_DEFAULTS forget what was typed. */
  #startOver(scanning: boolean, defaults: boolean): void {
    this.#scanning = scanning;
    this.#scanCodes.clear();
    this.#overrun = false;
    if (defaults) {
      this.#scanCodeSet = 2;
      this.#typematic = TYPEMATIC_DEFAULT;
    }
    this.#reply(ACK);
  }

  #reset(): void {
    this.#startOver(true, true);
    this.#leds = 0;
    this.#reply(BAT_PASSED);
  }
}
