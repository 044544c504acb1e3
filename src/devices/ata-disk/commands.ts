/** What a command does. Transfers move sectors; the others end at once or when the disk has written its cache. */
export type Action =
  | 'read'
  | 'write'
  | 'verify'
  | 'flush'
  | 'trim'
  | 'identify'
  | 'done'
  | 'diagnose'
  | 'geometry'
  | 'multiple'
  | 'power'
  | 'features'
  | 'smart'
  | 'nativeMax';

/** A row of the command table. */
export interface Command {
  readonly action: Action;
  /** 48-bit address and 16-bit count */
  readonly ext: boolean;
  readonly dma: boolean;
  /** whether a block is of several sectors, as SET MULTIPLE MODE said */
  readonly multiple: boolean;
  /** whether written data must be on the medium before the command ends */
  readonly fua: boolean;
}

type Flag = 'ext' | 'dma' | 'multiple' | 'fua';

/** Codes, action, flags (ATA/ATAPI-7 volume 1, section 6; ACS-2 for DATA SET MANAGEMENT). */
const ROWS: readonly (readonly [codes: readonly number[], action: Action, ...flags: Flag[]])[] = [
  [[0x06], 'trim', 'dma', 'ext'],
  [range(0x10, 16), 'done'], // RECALIBRATE
  [[0x20, 0x21], 'read'],
  [[0x24], 'read', 'ext'],
  [[0x25], 'read', 'ext', 'dma'],
  [[0x27], 'nativeMax', 'ext'],
  [[0x29], 'read', 'ext', 'multiple'],
  [[0x30, 0x31], 'write'],
  [[0x34], 'write', 'ext'],
  [[0x35], 'write', 'ext', 'dma'],
  [[0x39], 'write', 'ext', 'multiple'],
  [[0x3d], 'write', 'ext', 'dma', 'fua'],
  [[0x40, 0x41], 'verify'],
  [[0x42], 'verify', 'ext'],
  [range(0x70, 16), 'done'], // SEEK
  [[0x90], 'diagnose'],
  [[0x91], 'geometry'],
  [[0x94, 0x95, 0x96, 0x97, 0x99], 'done'], // STANDBY IMMEDIATE to SLEEP, as ATA-3 numbers them
  [[0x98, 0xe5], 'power'],
  [[0xb0], 'smart'],
  [[0xc4], 'read', 'multiple'],
  [[0xc5], 'write', 'multiple'],
  [[0xc6], 'multiple'],
  [[0xc8, 0xc9], 'read', 'dma'],
  [[0xca, 0xcb], 'write', 'dma'],
  [[0xce], 'write', 'ext', 'multiple', 'fua'],
  [[0xe0, 0xe1, 0xe2, 0xe3, 0xe6], 'done'], // STANDBY IMMEDIATE to SLEEP
  [[0xe7, 0xea], 'flush'],
  [[0xec], 'identify'],
  [[0xef], 'features'],
  [[0xf8], 'nativeMax'],
];

const COMMANDS: ReadonlyMap<number, Command> = new Map(
  ROWS.flatMap(([codes, action, ...flags]) => {
    const has = (flag: Flag) => flags.includes(flag);
    const command = { action, ext: has('ext'), dma: has('dma'), multiple: has('multiple'), fua: has('fua') };
    return codes.map((code) => [code, command] as const);
  }),
);

/** The row of a command code; undefined for one that the disk does not know. */
export function commandOf(code: number): Command | undefined {
  return COMMANDS.get(code);
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
