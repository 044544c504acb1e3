import { BUTTON, type Key } from '../display/interfaces.ts';
import { keyByName, keyByNumber } from '../display/keys.ts';
import { PICTURE_FORMATS, type PictureFormat, type VmConsole } from './console.ts';
import type { Arguments } from './qmp-arguments.ts';
import { QmpError } from './qmp-error.ts';

const NANOS_PER_MILLI = 1_000_000n;
const DEFAULT_HOLD_MILLIS = 100;
const MOST_HOLD_MILLIS = 60_000;
/** Types of the parts of an input event (QEMU's qapi/ui.json, InputEvent). */
const EVENT_TYPES = ['key', 'btn', 'rel', 'abs'] as const;
const KEY_TYPES = ['qcode', 'number'] as const;
const BUTTON_NAMES = ['left', 'right', 'middle', 'side', 'extra', 'wheel-up', 'wheel-down'] as const;
const AXES = ['x', 'y'] as const;
const NUMBER_EXTENDED = 0xe0;

/** Writes a screenshot. @param writeFile puts bytes into a file */
export async function screendump(
  console: VmConsole,
  filename: string,
  format: PictureFormat,
  writeFile: (path: string, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const picture = await console.screenshot(format);
  await writeFile(filename, picture).catch((error: Error) => {
    throw new QmpError('GenericError', `failed to open file '${filename}': ${error.message}`);
  });
}

/** The format that the arguments of `screendump` ask for. */
export function pictureFormat(given: Arguments): PictureFormat {
  return given.has('format') ? given.word('format', PICTURE_FORMATS) : 'ppm';
}

/** `send-key`: presses keys together. */
export function sendKey(console: VmConsole, given: Arguments): void {
  const keys = given.list('keys').map(readKey);
  const millis = given.has('hold-time') ? given.integer('hold-time') : DEFAULT_HOLD_MILLIS;
  pressKeys(console, keys, millis);
}

/** @throws {QmpError} the time is out of range or too many keys wait */
function pressKeys(console: VmConsole, keys: readonly Key[], holdMillis: number): void {
  const inRange = Number.isSafeInteger(holdMillis) && holdMillis > 0 && holdMillis <= MOST_HOLD_MILLIS;
  if (!inRange) throw new QmpError('GenericError', `hold-time must be 1 to ${MOST_HOLD_MILLIS}`);
  if (keys.length === 0) return;
  try {
    console.keys.press(keys, BigInt(holdMillis) * NANOS_PER_MILLI);
  } catch (error) {
    throw new QmpError('GenericError', (error as Error).message);
  }
}

/** The monitor's `sendkey`: names or hexadecimal numbers joined by hyphens. @returns what the monitor prints */
export function sendKeyLine(console: VmConsole, [combination = '', hold]: readonly string[]): string {
  const keys: Key[] = [];
  for (const name of combination.split('-')) {
    const key = name.startsWith('0x') ? keyByNumber(Number(name)) : keyByName(name === '<' ? 'less' : name);
    if (key === undefined) return `invalid parameter: ${name}\r\n`;
    keys.push(key);
  }
  pressKeys(console, keys, hold === undefined ? DEFAULT_HOLD_MILLIS : Number(hold));
  return '';
}

/** `input-send-event`: parts that happen together. */
export function sendInputEvents(console: VmConsole, given: Arguments, pointer: PointerState): void {
  const before = { ...pointer };
  const move = { dx: 0, dy: 0, wheel: 0 };
  for (const event of given.list('events')) {
    const data = event.fields('data');
    const type = event.word('type', EVENT_TYPES);
    if (type === 'key') console.input.key(readKey(data.fields('key')), data.flag('down'));
    else if (type === 'btn') setButton(pointer, move, data);
    else if (type === 'rel') move[data.word('axis', AXES) === 'x' ? 'dx' : 'dy'] += data.integer('value');
    else pointer[data.word('axis', AXES)] = data.integer('value');
  }
  const isAbsolute = pointer.x !== before.x || pointer.y !== before.y;
  const isMoved = move.dx !== 0 || move.dy !== 0 || move.wheel !== 0 || pointer.buttons !== before.buttons;
  if (isAbsolute || (isMoved && console.input.isAbsolute)) {
    console.input.pointAbsolute(pointer.x, pointer.y, pointer.buttons, move.wheel);
  } else if (isMoved) console.input.move(move.dx, move.dy, pointer.buttons, move.wheel);
}

/** Where a client has put the pointer, and the buttons it holds. */
export interface PointerState {
  x: number;
  y: number;
  buttons: number;
}

function setButton(pointer: PointerState, move: { wheel: number }, data: Arguments): void {
  const name = data.word('button', BUTTON_NAMES);
  const down = data.flag('down');
  if (name === 'wheel-up' || name === 'wheel-down') {
    if (down) move.wheel += name === 'wheel-down' ? 1 : -1;
  } else if (down) pointer.buttons |= BUTTON[name];
  else pointer.buttons &= ~BUTTON[name];
}

/** A KeyValue: a QKeyCode or a key number, whose E0h may stand before it. */
function readKey(value: Arguments): Key {
  if (value.word('type', KEY_TYPES) === 'qcode') {
    const name = value.text('data');
    const key = keyByName(name);
    if (key) return key;
    throw new QmpError('GenericError', `Parameter 'data' does not accept value '${name}'`);
  }
  const number = value.integer('data');
  const key = keyByNumber(number >> 8 === NUMBER_EXTENDED ? (number & 0xff) | 0x80 : number);
  if (key) return key;
  throw new QmpError('GenericError', `there is no key of number ${number}`);
}
