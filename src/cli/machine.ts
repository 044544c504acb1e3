import type { VmDebugger } from '../vm/debugger.ts';
import type { Shutdown, Vm, VmBalloon, VmConfig, VmConsole, VmControl, VmDrives } from '../vm/index.ts';
import { CliError, STATUS, UsageError } from './errors.ts';
import { formatSize } from './values.ts';

/** A machine as the command line drives it. */
export interface Machine extends VmControl {
  /** By what others tell it from its copies. */
  readonly identity: Vm['identity'];
  /** Its drives, whose media can be changed. */
  readonly drives?: VmDrives;
  /** Memory that its guest does not need. */
  readonly balloon?: VmBalloon;
  run(): Promise<Shutdown>;
  /** Writes a snapshot while it goes on. */
  readonly snapshot?: Vm['snapshot'];
  /** What a debugger does to it. */
  debugger(): Promise<VmDebugger>;
  /** Its screen, keyboard and mouse. */
  console(): Promise<VmConsole>;
}

/** Makes a machine, or something in its place in a test. */
export type MakeMachine = (config: VmConfig) => Promise<Machine>;

/** What a complaint about something to boot begins with, and the option that gave it. */
const BOOT_OPTIONS: readonly (readonly [subject: RegExp, option: string])[] = [
  [/^the command line/, '--append'],
  [/^the (initrd|module)/, '--initrd'],
];

/** Loads the machine's code, which takes a while: no more of the library than a machine needs.
 * @returns what makes a machine; it throws a {@link CliError} when that cannot be */
export async function loadMachine(): Promise<MakeMachine> {
  const { BootImageInvalid, FirmwareInvalid, Vm } = await import('../vm/vm.ts');
  return (config) =>
    Vm.create(config).catch((error: unknown) => {
      if (error instanceof BootImageInvalid) throw wrongImage(error.message);
      if (error instanceof FirmwareInvalid) throw new CliError(STATUS.failed, `--firmware: ${error.message}`);
      if (isOutOfMemory(error)) throw tooMuchMemory(config.memoryBytes);
      throw error;
    });
}

/** The engine gives no class of its own to a memory it cannot allocate. */
function isOutOfMemory(error: unknown): boolean {
  return error instanceof RangeError && /\bmemory\b/i.test(error.message);
}

function tooMuchMemory(bytes: number): CliError {
  return new UsageError('--memory', formatSize(bytes), 'what this host can set aside now');
}

function wrongImage(complaint: string): CliError {
  const option = BOOT_OPTIONS.find(([subject]) => subject.test(complaint))?.[1] ?? '--kernel';
  return new CliError(STATUS.failed, `${option}: ${complaint}`);
}
