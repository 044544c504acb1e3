/** Names of the DSP's commands (Creative, "Sound Blaster Series Hardware Programming Guide", chapter 6). */
export type CommandName =
  | 'aspWrite'
  | 'aspRead'
  | 'directPlay'
  | 'directRecord'
  | 'play8'
  | 'play8Auto'
  | 'play8Block'
  | 'playAdpcm'
  | 'playAdpcmAuto'
  | 'record8'
  | 'record8Auto'
  | 'record8Block'
  | 'timeConstant'
  | 'sampleRate'
  | 'blockSize'
  | 'silence'
  | 'transfer16'
  | 'transfer8'
  | 'pause8'
  | 'resume8'
  | 'pause16'
  | 'resume16'
  | 'speakerOn'
  | 'speakerOff'
  | 'speakerStatus'
  | 'endAuto16'
  | 'endAuto8'
  | 'identify'
  | 'version'
  | 'copyright'
  | 'testWrite'
  | 'testRead'
  | 'interrupt8'
  | 'interrupt16'
  | 'ignored';

/** A command: what it is and how many bytes follow it. */
export interface Command {
  readonly name: CommandName;
  readonly parameters: number;
}

/** Code, bytes that follow, command. */
const ROWS: readonly (readonly [code: number, parameters: number, name: CommandName])[] = [
  [0x04, 1, 'ignored'],
  [0x05, 2, 'ignored'],
  [0x0e, 2, 'aspWrite'],
  [0x0f, 1, 'aspRead'],
  [0x10, 1, 'directPlay'],
  [0x14, 2, 'play8'],
  [0x16, 2, 'playAdpcm'],
  [0x17, 2, 'playAdpcm'],
  [0x1c, 0, 'play8Auto'],
  [0x1f, 0, 'playAdpcmAuto'],
  [0x20, 0, 'directRecord'],
  [0x24, 2, 'record8'],
  [0x2c, 0, 'record8Auto'],
  [0x38, 1, 'ignored'],
  [0x40, 1, 'timeConstant'],
  [0x41, 2, 'sampleRate'],
  [0x42, 2, 'sampleRate'],
  [0x45, 0, 'resume8'],
  [0x47, 0, 'resume16'],
  [0x48, 2, 'blockSize'],
  [0x74, 2, 'playAdpcm'],
  [0x75, 2, 'playAdpcm'],
  [0x76, 2, 'playAdpcm'],
  [0x77, 2, 'playAdpcm'],
  [0x7d, 0, 'playAdpcmAuto'],
  [0x7f, 0, 'playAdpcmAuto'],
  [0x80, 2, 'silence'],
  [0x90, 0, 'play8Auto'],
  [0x91, 0, 'play8Block'],
  [0x98, 0, 'record8Auto'],
  [0x99, 0, 'record8Block'],
  [0xd0, 0, 'pause8'],
  [0xd1, 0, 'speakerOn'],
  [0xd3, 0, 'speakerOff'],
  [0xd4, 0, 'resume8'],
  [0xd5, 0, 'pause16'],
  [0xd6, 0, 'resume16'],
  [0xd8, 0, 'speakerStatus'],
  [0xd9, 0, 'endAuto16'],
  [0xda, 0, 'endAuto8'],
  [0xe0, 1, 'identify'],
  [0xe1, 0, 'version'],
  [0xe2, 1, 'ignored'],
  [0xe3, 0, 'copyright'],
  [0xe4, 1, 'testWrite'],
  [0xe8, 0, 'testRead'],
  [0xf2, 0, 'interrupt8'],
  [0xf3, 0, 'interrupt16'],
];

const COMMANDS: ReadonlyMap<number, Command> = new Map(
  ROWS.map(([code, parameters, name]) => [code, { name, parameters }]),
);
/** The DSP 4's own transfers: their code says how, and a mode and a length follow. */
const TRANSFER_16: Command = { name: 'transfer16', parameters: 3 };
const TRANSFER_8: Command = { name: 'transfer8', parameters: 3 };

/** The command with a code, if there is one. */
export function commandOf(code: number): Command | undefined {
  if (code >> 4 === 0xb) return TRANSFER_16;
  return code >> 4 === 0xc ? TRANSFER_8 : COMMANDS.get(code);
}

/** How many samples a byte of compressed sound holds, by the code of the command that plays it. */
export function adpcmSamples(code: number): number {
  if (code === 0x16 || code === 0x17 || code === 0x1f) return 4;
  return code === 0x76 || code === 0x77 || code === 0x7f ? 3 : 2;
}
