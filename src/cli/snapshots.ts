import { resolve } from 'node:path';
import { SnapshotFileSource, writeSnapshotFile, zstdCodec } from '../host/node/snapshot-files.ts';
import { deflateCodec, type SnapshotCodecName, SnapshotInvalid } from '../vm/snapshot/format.ts';
import { SnapshotFile } from '../vm/snapshot/reader.ts';
import { configurationIn, type SavedConfiguration } from '../vm/snapshot/saved-machine.ts';
import { CliError, STATUS, UsageError } from './errors.ts';
import { whyUnreadable } from './files.ts';
import { randomMac } from './mac-address.ts';
import type { Machine } from './machine.ts';
import type { CardNetOption } from './net-options.ts';
import type { RawRunOptions, RunOptions } from './run-options.ts';
import { quote } from './values.ts';

/** Options that a snapshot brings with it. */
const SAVED_OPTIONS = [
  ...['kernel', 'initrd', 'append', 'firmware', 'firmwareVars', 'boot', 'disk', 'cdrom', 'floppy'],
  ...['memory', 'cpus', 'clock', 'seed', 'sound', 'vga', 'debugExit'],
] as const satisfies readonly (keyof RawRunOptions)[];

/** What the command line leaves in a snapshot for itself. */
interface Outside {
  /** As they were typed; undefined for the default. */
  readonly net?: readonly string[];
  readonly share: readonly string[];
  /** The path of `--vsock`; absent: none. */
  readonly vsock?: string;
  /** The folder that names of media start from. */
  readonly folder: string;
}

/** A snapshot that a machine goes on from. */
export interface SavedRun {
  readonly snapshot: SnapshotFile;
  readonly configuration: SavedConfiguration;
  /** The options that were given and those of the snapshot. */
  readonly raw: RawRunOptions;
  /** Gives the cards that options ask for the addresses that they have in this machine. */
  readonly withAddresses: (options: RunOptions) => RunOptions;
}

/** Opens a snapshot. The file stays as it is.
 * @param subject the option or word that names it
 * @throws {CliError} it is missing, unreadable or none */
export async function openSnapshot(path: string, subject: string): Promise<SnapshotFile> {
  let source: SnapshotFileSource;
  try {
    source = new SnapshotFileSource(path);
  } catch (error) {
    throw whyUnreadable({ option: subject, path }, error);
  }
  try {
    return await SnapshotFile.open(source, [zstdCodec]);
  } catch (error) {
    source.close();
    throw error instanceof SnapshotInvalid ? wrongSnapshot(subject, path, error) : error;
  }
}

/** What to say of a snapshot that cannot be used. */
export function wrongSnapshot(subject: string, path: string, error: Error): CliError {
  return new CliError(STATUS.failed, `${subject}: ${quote(path)}: ${error.message}`, { cause: error });
}

/** Opens the snapshot that `--snapshot` names and puts its options with those that were given.
 * @throws {CliError} it cannot be used  @throws {UsageError} an option was given that a snapshot brings with it */
export async function openSavedRun(path: string, image: string | undefined, raw: RawRunOptions): Promise<SavedRun> {
  const given = image === undefined ? SAVED_OPTIONS.find((name) => raw[name] !== undefined) : 'IMAGE';
  if (given !== undefined) {
    const option =
      given === 'IMAGE' ? given : `--${given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new UsageError(option, 'it beside --snapshot', 'none: the snapshot brings its own');
  }
  const snapshot = await openSnapshot(path, '--snapshot');
  try {
    const configuration = configurationIn(snapshot);
    const outside = configuration.outside as Outside | null;
    const { memoryBytes, cpuCount = 1, clock, parallel, sound, vga, noReboot, debugExitPort } = configuration;
    const ofSnapshot: Partial<RawRunOptions> = {
      memory: `${memoryBytes / 1024}k`,
      cpus: `${cpuCount}`,
      clock,
      parallel: parallel ? (raw.parallel ?? 'none') : undefined,
      sound: sound ?? undefined,
      vga,
      reboot: raw.reboot && !noReboot,
      debugExit: debugExitPort === null ? undefined : `${debugExitPort}`,
      net: raw.net ?? outside?.net,
      share: raw.share ?? outside?.share,
      vsock: vsockOf(configuration, raw),
    };
    const withAddresses = (options: RunOptions) => addressed(options, configuration, raw.net !== undefined);
    return { snapshot, configuration, raw: { ...raw, ...ofSnapshot }, withAddresses };
  } catch (error) {
    snapshot.close();
    throw error instanceof SnapshotInvalid ? wrongSnapshot('--snapshot', path, error) : error;
  }
}

/** A machine's sockets to the guest are where they were; those of a copy are nowhere unless that is said.
 * @throws {UsageError} the saved machine has none */
function vsockOf({ vsockCid, outside }: SavedConfiguration, { vsock, copy }: RawRunOptions): string | undefined {
  if (typeof vsockCid !== 'number') {
    if (vsock === undefined) return undefined;
    throw new UsageError('--vsock', `${quote(vsock)} beside --snapshot`, 'none: the saved machine has no such card');
  }
  const saved = copy ? undefined : (outside as Outside | null)?.vsock;
  return vsock ?? saved ?? 'none';
}

/** A machine keeps the addresses of its cards, and a copy gets others; but one that was given with this start holds. */
function addressed(options: RunOptions, { networks }: SavedConfiguration, areGiven: boolean): RunOptions {
  let cards = 0;
  const addressOf = (net: CardNetOption) => {
    const saved = networks[cards++]?.mac;
    if (areGiven && net.mac) return net.mac;
    return options.copy ? randomMac() : saved;
  };
  return {
    ...options,
    networks: options.networks.map((net) => (net.kind === 'none' ? net : { ...net, mac: addressOf(net) })),
  };
}

/** The folder that names of media in a snapshot start from. */
export function mediaFolder({ outside }: SavedConfiguration): string {
  return (outside as Outside | null)?.folder ?? '';
}

/** Writes a machine that runs into a file, whole or not at all. @returns the file's length */
export function saveMachine(
  machine: Machine,
  options: RunOptions,
  path: string,
  compress: SnapshotCodecName = 'zstd',
): Promise<number> {
  const codec = compress === 'zstd' ? zstdCodec : deflateCodec;
  const share = options.shares.map((one) => `${resolve(one.path)}:${one.tag}${one.readOnly ? ':ro' : ''}`);
  const outside: Outside = {
    ...(options.networkTexts && { net: options.networkTexts }),
    ...(options.vsock?.path !== undefined && { vsock: resolve(options.vsock.path) }),
    share,
    folder: process.cwd(),
  };
  const { snapshot } = machine;
  if (snapshot === undefined) throw new Error('this machine cannot be saved');
  return writeSnapshotFile(resolve(path), (sink) => snapshot.call(machine, sink, { codec, outside }));
}
