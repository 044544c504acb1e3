import { ByteReader, ByteWriter, concatenate } from '../../base/bytes.ts';
import type { PcDrive } from '../../boards/drives.ts';
import type { FirmwareBoot } from '../../boards/firmware-boot.ts';
import type { KernelBoot, LateKernelBoot, PcMachine } from '../../boards/pc-machine.ts';
import { systemUuid } from '../../boards/saved-state.ts';
import { CapturableDisk } from '../../machine/disk-capture.ts';
import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import type { VmConfig } from '../config.ts';
import { type SnapshotCodec, SnapshotInvalid, type SnapshotSink } from './format.ts';
import type { SnapshotFile } from './reader.ts';
import { SnapshotWriter } from './writer.ts';

/** A disk, or a medium in a drive, as a snapshot knows it. One that can be written is contained in it. */
export interface SavedDrive {
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  readonly bus: PcDrive['bus'];
  readonly name: string;
  readonly format: string;
  readonly readOnly: boolean;
  readonly sizeBytes: number;
}

/** What a saved machine was made of: what is needed to make it again, besides its outside. */
export interface SavedConfiguration {
  readonly memoryBytes: number;
  /** Absent: one. */
  readonly cpuCount?: number;
  readonly clock: VmConfig['clock'];
  /** Whether there is a parallel port; absent: no. */
  readonly parallel?: boolean;
  /** Absent: none. */
  readonly sound?: VmConfig['sound'] | null;
  /** Absent: std. */
  readonly vga?: VmConfig['vga'];
  readonly seed: bigint;
  /** Absent: see {@link uuidOf}. */
  readonly uuid?: Uint8Array;
  readonly noReboot: boolean;
  readonly debugExitPort: number | null;
  /** How many serial lines were connected. */
  readonly serialLines: number;
  /** The kernel's command line where the machine loads a kernel itself, else null. */
  readonly commandLine: string | null;
  readonly firmware: Omit<FirmwareBoot, 'variables'> | null;
  readonly drives: readonly SavedDrive[];
  readonly networks: readonly {
    readonly model: NonNullable<VmConfig['networks']>[number]['model'];
    readonly mac: Uint8Array;
  }[];
  readonly shares: readonly { readonly tag: string; readonly readOnly: boolean }[];
  /** Names of the channels. Absent: none. */
  readonly channels?: readonly string[];
  /** The guest's address for sockets to the host. Absent: it has none. */
  readonly vsockCid?: number | null;
  /** What those who made the machine want to find again; plain values. */
  readonly outside: unknown;
}

/** A saved machine: the record that a snapshot holds. */
interface SavedMachine extends DeviceState {
  readonly configuration: SavedConfiguration;
  /** The machine without its memory. */
  readonly machine: DeviceState;
  /** What the far ends of the network cards' cables keep, in their order. Absent: nothing. */
  readonly networks?: readonly (DeviceState | null)[];
}

/** How a snapshot is made. */
export interface SnapshotOptions {
  readonly codec: SnapshotCodec;
  /** What {@link SavedConfiguration.outside} gets. */
  readonly outside?: unknown;
}

const RECORD_VERSION = 1;
/** Names of parts and tables in a snapshot. */
const KERNEL = 'kernel';
const INITRD = 'initrd';
const MEMORY = 'memory';
/** Pages of guest memory that are touched first, together, besides those in the table. */
const EARLY = 'early';

/** A machine and those around it, at the moment when it is saved. */
export interface MachineAtRest {
  readonly machine: PcMachine;
  readonly config: VmConfig;
  readonly boot: KernelBoot | LateKernelBoot | FirmwareBoot;
  /** Gives the guest and others a turn. */
  turn(): Promise<void>;
}

/**
 * Writes a machine that stands still when this is called; it may go on at once.
 * @throws {Error} the sink fails, or the kernel's files or memory that has not been brought in cannot be read
 */
export async function writeMachine(
  { machine, config, boot, turn }: MachineAtRest,
  sink: SnapshotSink,
  { codec, outside }: SnapshotOptions,
): Promise<void> {
  const state = machine.saveWithoutMemory();
  const networks = (config.networks ?? []).map(({ far }) => far?.()?.save() ?? null);
  const memory = machine.captureMemory();
  const early = machine.pagesInUse(state);
  const disks = (config.drives ?? []).map(({ medium }) =>
    medium instanceof CapturableDisk ? medium.capture() : undefined,
  );
  try {
    const writer = new SnapshotWriter(sink, codec);
    await writer.part(EARLY, packPages(early));
    await writer.table(MEMORY, memory, turn);
    for (const [index, disk] of disks.entries()) if (disk) await writer.table(diskTable(index), disk, turn);
    const kernel = 'load' in boot ? await boot.load() : boot;
    if ('kernel' in kernel) {
      await writer.part(KERNEL, kernel.kernel);
      if (kernel.initrd) await writer.part(INITRD, kernel.initrd);
    }
    const configuration = describe(config, outside);
    const record: SavedMachine = { version: RECORD_VERSION, configuration, machine: state, networks };
    await writer.finish(record, 'vitrine');
  } finally {
    machine.endCapture(memory);
    for (const disk of disks) disk?.end();
  }
}

/** The name of the table that holds a disk. @param index its number among all drives */
export function diskTable(index: number): string {
  return `disk ${index}`;
}

/** What a saved machine was made of. @throws {SnapshotInvalid} the snapshot is not of a machine */
export function configurationIn(snapshot: SnapshotFile): SavedConfiguration {
  return recordIn(snapshot).configuration;
}

/** Reads the pages that a saved machine touches first, if there are some. @throws {SnapshotInvalid} they are damaged */
export function readEarlyPages(snapshot: SnapshotFile): Promise<Uint8Array | undefined> {
  return snapshot.part(EARLY);
}

/** Makes a machine go on as the saved one. Memory comes in as it is touched. @param early as {@link readEarlyPages} gives it
 * @throws {SnapshotInvalid} @throws {Error} see `PcMachine.restore` */
export async function restoreMachine(
  machine: PcMachine,
  snapshot: SnapshotFile,
  networks: VmConfig['networks'] = [],
  early?: Uint8Array,
): Promise<void> {
  const record = recordIn(snapshot);
  await machine.restoreLazily(record.machine, await snapshot.table(MEMORY), early && unpackPages(early));
  for (const [index, state] of (record.networks ?? []).entries()) if (state) networks[index]?.far?.()?.restore(state);
}

/** Pages as a part has them: u32 count and numbers of the pages, then what they hold. */
function packPages(pages: readonly (readonly [gpa: number, content: Uint8Array])[]): Uint8Array {
  const writer = new ByteWriter().u32(pages.length);
  for (const [gpa] of pages) writer.u32(gpa / PAGE_BYTES);
  return concatenate([writer.finish(), ...pages.map(([, content]) => content)]);
}

/** @throws {OutOfData} the part is cut off */
function* unpackPages(part: Uint8Array): Generator<readonly [gpa: number, content: Uint8Array]> {
  const reader = new ByteReader(part);
  const count = reader.u32(0);
  for (let n = 0; n < count; n++) {
    yield [reader.u32(4 + 4 * n) * PAGE_BYTES, reader.slice(4 + 4 * count + n * PAGE_BYTES, PAGE_BYTES)];
  }
}

/** How a restored machine starts when it is reset: its kernel is read then. */
export function bootIn(snapshot: SnapshotFile): LateKernelBoot | FirmwareBoot {
  const { commandLine, firmware } = configurationIn(snapshot);
  if (firmware !== null) return firmware;
  return {
    load: async () => {
      const kernel = await snapshot.part(KERNEL);
      if (!kernel) throw new SnapshotInvalid('the saved machine has no kernel');
      return { kernel, initrd: await snapshot.part(INITRD), commandLine: commandLine ?? '' };
    },
  };
}

function recordIn({ state }: SnapshotFile): SavedMachine {
  if (state.version !== RECORD_VERSION || !('configuration' in state)) {
    throw new SnapshotInvalid(`the snapshot's record has version ${state.version}; this one reads ${RECORD_VERSION}`);
  }
  return state as SavedMachine;
}

/** The UUID of a machine: it keeps that with which it was saved, unless it is given another. */
export function uuidOf({ uuid, seed, snapshot }: VmConfig): Uint8Array {
  const saved = snapshot && configurationIn(snapshot);
  return uuid ?? saved?.uuid ?? systemUuid(saved?.seed ?? seed);
}

function describe(config: VmConfig, outside: unknown): SavedConfiguration {
  const saved = config.snapshot && configurationIn(config.snapshot);
  const { variables: _, ...firmware } = config.firmware ?? { rom: 'builtin' };
  return {
    memoryBytes: config.memoryBytes,
    cpuCount: config.cpuCount ?? 1,
    clock: config.clock,
    parallel: config.parallel !== undefined,
    sound: config.sound ?? null,
    vga: config.vga ?? 'std',
    seed: config.seed,
    uuid: uuidOf(config),
    noReboot: config.noReboot,
    debugExitPort: config.debugExitPort ?? null,
    serialLines: config.serial.length,
    commandLine: saved?.commandLine ?? (config.kernel ? config.commandLine : null),
    firmware: saved ? saved.firmware : config.kernel ? null : firmware,
    drives: (config.drives ?? []).map(({ kind, bus, name, format, medium }) => ({
      ...{ kind, bus, name, format: format ?? 'raw' },
      ...{ readOnly: medium.readOnly, sizeBytes: medium.sizeBytes },
    })),
    networks: (config.networks ?? []).map(({ model, mac }) => ({ model, mac })),
    shares: (config.shares ?? []).map(({ tag, readOnly }) => ({ tag, readOnly })),
    channels: (config.channels ?? []).map(({ name }) => name),
    vsockCid: config.vsock?.cid ?? null,
    outside: outside ?? null,
  };
}
