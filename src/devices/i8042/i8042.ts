import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import { Ps2Keyboard } from './ps2-keyboard.ts';
import { Ps2Mouse } from './ps2-mouse.ts';
import { RELEASE_PREFIX, set1Of } from './scan-codes.ts';
import { I8042_VERSION, type I8042State, type OutputByte, type OutputSource } from './state.ts';

const DATA_OFFSET = 0;
const COMMAND_OFFSET = 4;

const STATUS_OBF = 0x01;
const STATUS_SYS = 0x04;
const STATUS_A2 = 0x08;
const STATUS_NOT_INHIBITED = 0x10;
const STATUS_AUXB = 0x20;

const CTR_KEYBOARD_INT = 0x01;
const CTR_AUX_INT = 0x02;
const CTR_SYS = 0x04;
const CTR_KEYBOARD_DISABLE = 0x10;
const CTR_AUX_DISABLE = 0x20;
const CTR_XLATE = 0x40;
/** As firmware leaves it: keyboard interrupt and translation on, mouse off, self-test passed. */
const CTR_INITIAL = CTR_KEYBOARD_INT | CTR_SYS | CTR_AUX_DISABLE | CTR_XLATE;

const READ_RAM_FIRST = 0x20;
const READ_RAM_LAST = 0x3f;
const WRITE_RAM_FIRST = 0x60;
const WRITE_RAM_LAST = 0x7f;
const TEST_PASSWORD = 0xa4;
const AUX_DISABLE = 0xa7;
const AUX_ENABLE = 0xa8;
const AUX_TEST = 0xa9;
const SELF_TEST = 0xaa;
const KEYBOARD_TEST = 0xab;
const KEYBOARD_DISABLE = 0xad;
const KEYBOARD_ENABLE = 0xae;
const READ_INPUT_PORT = 0xc0;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_AUX_BUFFER = 0xd3;
const WRITE_AUX = 0xd4;
const DISABLE_A20 = 0xdd;
const ENABLE_A20 = 0xdf;
const READ_TEST_INPUTS = 0xe0;
const PULSE_FIRST = 0xf0;

const RAM_BYTES = 32;
const PORT_TEST_PASSED = 0x00;
const SELF_TEST_PASSED = 0x55;
const NO_PASSWORD = 0xf1;
/** No key lock, colour display, no manufacturing jumper. */
const INPUT_PORT = 0xa0;
/** Output port bits that are always read as ones: not in reset, clock and data lines idle. */
const OUTPUT_PORT_IDLE = 0xcd;
const OUTPUT_PORT_NOT_RESET = 0x01;
const OUTPUT_PORT_A20 = 0x02;
const OUTPUT_PORT_KEYBOARD_FULL = 0x10;
const OUTPUT_PORT_AUX_FULL = 0x20;

const MAX_REPLIES = 16;
/** The time a byte of eleven bits takes on the wire: guests that read port 60h twice get the same byte. */
const BYTE_NANOS = 700_000n;

/** What the controller commands without a byte to follow do to the command byte. */
const CTR_CHANGES: Readonly<Record<number, { cleared: number; set: number }>> = {
  [AUX_DISABLE]: { cleared: 0, set: CTR_AUX_DISABLE },
  [AUX_ENABLE]: { cleared: CTR_AUX_DISABLE, set: 0 },
  [KEYBOARD_DISABLE]: { cleared: 0, set: CTR_KEYBOARD_DISABLE },
  [KEYBOARD_ENABLE]: { cleared: CTR_KEYBOARD_DISABLE, set: 0 },
  [SELF_TEST]: { cleared: 0, set: CTR_SYS },
};

/** Controller commands that are always answered alike. */
const REPLIES: Readonly<Record<number, number>> = {
  [TEST_PASSWORD]: NO_PASSWORD,
  [AUX_TEST]: PORT_TEST_PASSED,
  [SELF_TEST]: SELF_TEST_PASSED,
  [KEYBOARD_TEST]: PORT_TEST_PASSED,
  [READ_INPUT_PORT]: INPUT_PORT,
  [READ_TEST_INPUTS]: 0,
};

/** Everything an {@link I8042} is wired to. */
export interface I8042Wiring {
  readonly clock: Clock;
  /** IRQ1. */
  readonly keyboardIrq: IrqLine;
  /** IRQ12. */
  readonly auxIrq: IrqLine;
  /** The controller's gate of address line 20: high to let it through. */
  readonly a20: IrqLine;
  /** Pulls the processor's reset line. */
  readonly reset: () => void;
}

/**
 * The 8042 keyboard controller of a PS/2 (IBM PS/2 technical reference, "Keyboard and auxiliary device controller")
 * with a keyboard and a mouse: offset 0 is port 60h, offset 4 is port 64h.
 *
 * The controller answers its own commands at once. Bytes of the devices come at once when the buffer was empty and
 * one byte time after the one before was read. The self-test leaves the command byte as it is but for SYS.
 */
export class I8042 implements Device {
  readonly keyboard: Ps2Keyboard;
  readonly mouse = new Ps2Mouse(() => this.#pump());
  readonly #wiring: I8042Wiring;
  readonly #alarm: Alarm;
  readonly #ram = new Uint8Array(RAM_BYTES);
  #command = 0;
  #wroteCommand = false;
  #a20 = true;
  #output: OutputByte = { byte: 0, source: 'controller' };
  #outputFull = false;
  #replies: OutputByte[] = [];
  #releasePrefix = false;
  #nextByteNanos: bigint | null = null;

  constructor(wiring: I8042Wiring) {
    this.#wiring = wiring;
    this.keyboard = new Ps2Keyboard(wiring.clock, () => this.#pump());
    this.#ram[0] = CTR_INITIAL;
    this.#alarm = wiring.clock.createAlarm(() => this.#onByteTime());
  }

  read(offset: number, _size: number): number {
    if (offset === DATA_OFFSET) return this.#readData();
    return offset === COMMAND_OFFSET ? this.#status() : 0xff;
  }

  write(offset: number, _size: number, value: number): void {
    const byte = value & 0xff;
    if (offset === DATA_OFFSET) this.#writeData(byte);
    else if (offset === COMMAND_OFFSET) this.#writeCommand(byte);
    else return;
    this.#wroteCommand = offset === COMMAND_OFFSET;
    this.#pump();
  }

  save(): I8042State {
    return {
      version: I8042_VERSION,
      ram: this.#ram.slice(),
      command: this.#command,
      wroteCommand: this.#wroteCommand,
      a20: this.#a20,
      output: this.#output,
      outputFull: this.#outputFull,
      replies: [...this.#replies],
      releasePrefix: this.#releasePrefix,
      nextByteNanos: this.#nextByteNanos,
      keyboard: this.keyboard.save(),
      mouse: this.mouse.save(),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('I8042', state.version, I8042_VERSION);
    const saved = state as I8042State;
    this.#ram.set(saved.ram);
    this.#command = saved.command;
    this.#wroteCommand = saved.wroteCommand;
    this.#output = saved.output;
    this.#outputFull = saved.outputFull;
    this.#replies = [...saved.replies];
    this.#releasePrefix = saved.releasePrefix;
    this.#setNextByte(saved.nextByteNanos);
    this.keyboard.restore(saved.keyboard);
    this.mouse.restore(saved.mouse);
    this.#setA20(saved.a20);
    this.#updateIrqs();
  }

  #status(): number {
    const sys = this.#ram[0] & CTR_SYS ? STATUS_SYS : 0;
    const full = this.#outputFull ? STATUS_OBF | (this.#output.source === 'aux' ? STATUS_AUXB : 0) : 0;
    return STATUS_NOT_INHIBITED | sys | full | (this.#wroteCommand ? STATUS_A2 : 0);
  }

  #readData(): number {
    const { byte, source } = this.#output;
    if (!this.#outputFull) return byte;
    this.#outputFull = false;
    if (source !== 'controller') this.#setNextByte(this.#wiring.clock.nowNanos() + BYTE_NANOS);
    this.#updateIrqs();
    this.#pump();
    return byte;
  }

  #setNextByte(nanos: bigint | null): void {
    this.#nextByteNanos = nanos;
    if (nanos === null) this.#alarm.cancel();
    else this.#alarm.arm(nanos);
  }

  #onByteTime(): void {
    this.#nextByteNanos = null;
    this.#pump();
  }

  /** Fills the output buffer when it is empty and somebody has something to say. */
  #pump(): void {
    if (this.#outputFull) return;
    const next = this.#replies.shift() ?? this.#nextDeviceByte();
    if (next === undefined) return;
    this.#output = next;
    this.#outputFull = true;
    this.#updateIrqs();
  }

  #nextDeviceByte(): OutputByte | undefined {
    if (this.#nextByteNanos !== null) return undefined;
    const key = this.#ram[0] & CTR_KEYBOARD_DISABLE ? undefined : this.#nextKeyboardByte();
    if (key !== undefined) return { byte: key, source: 'keyboard' };
    const aux = this.#ram[0] & CTR_AUX_DISABLE ? undefined : this.mouse.send();
    return aux === undefined ? undefined : { byte: aux, source: 'aux' };
  }

  /** The keyboard's next byte after translation, which makes one byte of a release prefix and a code. */
  #nextKeyboardByte(): number | undefined {
    for (;;) {
      const byte = this.keyboard.send();
      if (byte === undefined || (this.#ram[0] & CTR_XLATE) === 0) return byte;
      const released = this.#releasePrefix;
      this.#releasePrefix = byte === RELEASE_PREFIX;
      if (!this.#releasePrefix) return set1Of(byte, released);
    }
  }

  #updateIrqs(): void {
    const ctr = this.#ram[0];
    const aux = this.#outputFull && this.#output.source === 'aux';
    const keyboard = this.#outputFull && !aux && (ctr & CTR_KEYBOARD_DISABLE) === 0;
    this.#wiring.keyboardIrq.set(keyboard && (ctr & CTR_KEYBOARD_INT) !== 0);
    this.#wiring.auxIrq.set(aux && (ctr & CTR_AUX_INT) !== 0);
  }

  /** Queues an answer. A device's unread byte makes way for the controller's own answer and comes back after it. */
  #reply(byte: number, source: OutputSource = 'controller'): void {
    if (this.#replies.length >= MAX_REPLIES) return;
    this.#replies.push({ byte, source });
    if (!this.#outputFull || source !== 'controller' || this.#output.source === 'controller') return;
    this.#replies.push(this.#output);
    this.#outputFull = false;
    this.#updateIrqs();
  }

  #writeData(byte: number): void {
    const command = this.#command;
    this.#command = 0;
    if (command === 0) {
      this.#changeCtr(CTR_KEYBOARD_DISABLE, 0);
      this.keyboard.receive(byte);
    } else if (command <= WRITE_RAM_LAST) {
      this.#ram[command - WRITE_RAM_FIRST] = byte;
      this.#updateIrqs();
    } else if (command === WRITE_OUTPUT_PORT) {
      this.#writeOutputPort(byte);
    } else if (command === WRITE_AUX) {
      this.#changeCtr(CTR_AUX_DISABLE, 0);
      this.mouse.receive(byte);
    } else {
      this.#reply(byte, command === WRITE_AUX_BUFFER ? 'aux' : 'keyboard');
    }
  }

  #writeCommand(command: number): void {
    this.#command = 0;
    if (command >= READ_RAM_FIRST && command <= READ_RAM_LAST) {
      this.#reply(this.#ram[command - READ_RAM_FIRST]);
    } else if (takesByte(command)) {
      this.#command = command;
    } else if (command >= PULSE_FIRST) {
      if ((command & OUTPUT_PORT_NOT_RESET) === 0) this.#wiring.reset();
    } else {
      this.#runCommand(command);
    }
  }

  /** The commands without a byte to follow. Unknown ones do nothing, as on the chip. */
  #runCommand(command: number): void {
    const change = CTR_CHANGES[command];
    const reply = command === READ_OUTPUT_PORT ? this.#outputPort() : REPLIES[command];
    if (change) this.#changeCtr(change.cleared, change.set);
    if (reply !== undefined) this.#reply(reply);
    if (command === ENABLE_A20 || command === DISABLE_A20) this.#setA20(command === ENABLE_A20);
  }

  #changeCtr(cleared: number, set: number): void {
    this.#ram[0] = (this.#ram[0] & ~cleared) | set;
    this.#updateIrqs();
  }

  #outputPort(): number {
    const aux = this.#output.source === 'aux' ? OUTPUT_PORT_AUX_FULL : OUTPUT_PORT_KEYBOARD_FULL;
    return OUTPUT_PORT_IDLE | (this.#a20 ? OUTPUT_PORT_A20 : 0) | (this.#outputFull ? aux : 0);
  }

  #writeOutputPort(value: number): void {
    this.#setA20((value & OUTPUT_PORT_A20) !== 0);
    if ((value & OUTPUT_PORT_NOT_RESET) === 0) this.#wiring.reset();
  }

  #setA20(level: boolean): void {
    this.#a20 = level;
    this.#wiring.a20.set(level);
  }
}

function takesByte(command: number): boolean {
  if (command >= WRITE_RAM_FIRST && command <= WRITE_RAM_LAST) return true;
  return command >= WRITE_OUTPUT_PORT && command <= WRITE_AUX;
}
