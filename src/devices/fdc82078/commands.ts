/** Commands (82078 data sheet, section 5). */
export type CommandName =
  | 'read'
  | 'write'
  | 'verify'
  | 'format'
  | 'readId'
  | 'recalibrate'
  | 'senseInterrupt'
  | 'specify'
  | 'senseDrive'
  | 'seek'
  | 'relativeSeek'
  | 'configure'
  | 'version'
  | 'dumpRegisters'
  | 'perpendicular'
  | 'lock'
  | 'partId'
  | 'invalid';

/** A row of the command table. */
export interface Command {
  readonly name: CommandName;
  /** bytes after the first */
  readonly parameters: number;
  /** whether it asks for sectors with the deleted-data mark, of which there are none */
  readonly deleted: boolean;
  /** whether it begins with the track's first sector */
  readonly wholeTrack: boolean;
}

const INVALID: Command = { name: 'invalid', parameters: 0, deleted: false, wholeTrack: false };

/** First byte under a mask without its option bits, name, parameters, option. */
const ROWS: readonly (readonly [mask: number, code: number, CommandName, number, ('deleted' | 'wholeTrack')?])[] = [
  [0x9f, 0x02, 'read', 8, 'wholeTrack'],
  [0xff, 0x03, 'specify', 2],
  [0xff, 0x04, 'senseDrive', 1],
  [0x3f, 0x05, 'write', 8],
  [0x1f, 0x06, 'read', 8],
  [0xff, 0x07, 'recalibrate', 1],
  [0xff, 0x08, 'senseInterrupt', 0],
  [0x3f, 0x09, 'write', 8],
  [0xbf, 0x0a, 'readId', 1],
  [0x1f, 0x0c, 'read', 8, 'deleted'],
  [0xbf, 0x0d, 'format', 5],
  [0xff, 0x0e, 'dumpRegisters', 0],
  [0xff, 0x0f, 'seek', 2],
  [0xff, 0x10, 'version', 0],
  [0xff, 0x12, 'perpendicular', 1],
  [0xff, 0x13, 'configure', 3],
  [0x7f, 0x14, 'lock', 0],
  [0x1f, 0x16, 'verify', 8],
  [0xff, 0x18, 'partId', 0],
  [0xbf, 0x8f, 'relativeSeek', 2],
];

/** The row of a command's first byte. */
export function commandOf(first: number): Command {
  const row = ROWS.find(([mask, code]) => (first & mask) === code);
  if (!row) return INVALID;
  const [, , name, parameters, option] = row;
  return { name, parameters, deleted: option === 'deleted', wholeTrack: option === 'wholeTrack' };
}
