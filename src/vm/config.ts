import type { PcChannel, PcNetwork, PcShare, PcVsock } from '../boards/cards.ts';
import type { VgaModel } from '../boards/display-card.ts';
import type { PcDrive } from '../boards/drives.ts';
import type { FirmwareBoot } from '../boards/firmware-boot.ts';
import type { UnpackedStore, UnpackZstd } from '../boards/loaders/unpack.ts';
import type { HandlerStore } from '../boards/pc-machine.ts';
import type { SoundModel } from '../boards/sound-card.ts';
import type { AudioSink, CharPort } from '../machine/interfaces.ts';
import type { BootFile } from './boot-file.ts';
import type { SnapshotFile } from './snapshot/reader.ts';

/** The host's own time, as the machine's clocks need it. */
export interface HostTime {
  /** Nanoseconds since some fixed moment; never goes backwards. */
  monotonicNanos(): bigint;
  /** Milliseconds since 1970-01-01 00:00 UTC. */
  utcMillis(): number;
  /** Lets everything that waits in the host's event loop run; default: a message through a MessageChannel. */
  turn?(): Promise<void>;
}

/** What a machine is made of and what it is connected to. */
export interface VmConfig {
  /** Bytes of RAM: a multiple of 4096 in the range of {@link MEMORY_LIMITS}. */
  readonly memoryBytes: number;
  /** Processors, 1 to {@link MOST_CPUS}; default 1. */
  readonly cpuCount?: number;
  /** A Linux bzImage or a multiboot ELF file. There is one unless there is {@link firmware} or {@link snapshot}. Bytes are
   * kept in memory for the machine's resets, files are read again. */
  readonly kernel?: Uint8Array | BootFile;
  /** The initial RAM disk of a Linux kernel, the first module of a multiboot one. */
  readonly initrd?: Uint8Array | BootFile;
  /** The kernel's command line: text without NUL. */
  readonly commandLine: string;
  /** The firmware that the machine starts from, where no kernel is given to it. */
  readonly firmware?: FirmwareBoot;
  /** The machine goes on from here; everything else must be as it was when it was saved (see `configurationIn`). It stays
   * open as long as the machine runs, and belongs to the caller. */
  readonly snapshot?: SnapshotFile;
  /** Where the bytes go that guests and their firmware write to the debug ports E9h and 402h. */
  readonly debugOutput?: (byte: number) => void;
  /** `host`: guest time and date follow the host's. `virtual`: time follows the count of retired instructions alone, from the start of 2026. */
  readonly clock: 'host' | 'virtual';
  /** Seeds every random number the guest can see: 64 bits, unsigned. */
  readonly seed: bigint;
  /** The system's UUID (SMBIOS), 16 bytes in the order of its text; default: the snapshot's, else made of the seed. What
   * systems read in tables of their memory is the one from the last reset. */
  readonly uuid?: Uint8Array;
  /** Whether a reset by the guest ends the run. */
  readonly noReboot: boolean;
  /** Where the isa-debug-exit port is, 0 to 0xFFFF; absent without it. */
  readonly debugExitPort?: number;
  /** The outside ends of COM1 and COM2; an absent one is not connected. */
  readonly serial: readonly (CharPort | undefined)[];
  /** Disks, and media in the CD and floppy drives, in the order the guest finds them. */
  readonly drives?: readonly PcDrive[];
  /** Network cards, in the order the guest finds them. In a machine that goes on from a snapshot, one with another
   * address than the saved one shows that to the guest where the hardware has it: see docs/snapshots.md. */
  readonly networks?: readonly PcNetwork[];
  /** Folders that the guest can mount. */
  readonly shares?: readonly PcShare[];
  /** Takes what is printed on LPT1; absent: there is no such port. */
  readonly parallel?: (byte: number) => void;
  /** Streams to programs of the guest, by the name that these look for. */
  readonly channels?: readonly PcChannel[];
  /** Sockets between programs of the guest and of the host (virtio-vsock); absent: none. */
  readonly vsock?: PcVsock;
  /** The display adapter: `std`, the default, is a VGA with Bochs' modes, `virtio` one with a virtio GPU beside it. */
  readonly vga?: VgaModel;
  /** The sound card, beside the speaker that every PC has; default none. */
  readonly sound?: SoundModel;
  /** Where the guest's sound goes; absent: nobody hears it. */
  readonly audio?: AudioSink;
  readonly host: HostTime;
  /** `jit`: hot guest code is translated to WebAssembly, the default; `interp`: all of it is interpreted. */
  readonly accel?: 'jit' | 'interp';
  /** Whether guest memory is a SharedArrayBuffer; default true. A page that is not cross-origin isolated must say false. */
  readonly sharedMemory?: boolean;
  /** Whether to count what the engine does, at some cost of speed; see `VmStats.details`. */
  readonly statistics?: boolean;
  /** Where compiled handlers are kept from one run of this very program to the next; absent: nowhere. */
  readonly handlers?: HandlerStore;
  /** Where that is kept what packed kernels hold; absent: nowhere. */
  readonly unpacked?: UnpackedStore;
  /** Decompresses kernels that are packed by zstd; absent: the guest does. */
  readonly zstd?: UnpackZstd;
  /** Given each region of guest code that has been translated, as text for people; its name is not unique. */
  readonly onTranslated?: (name: string, text: string) => void;
}

export { MOST_CARDS } from '../boards/cards.ts';
export { VGA_MODELS, type VgaModel } from '../boards/display-card.ts';
export { MOST_IDE_DISKS } from '../boards/drives.ts';
export { MOST_CPUS } from '../boards/pc-map.ts';
export { SOUND_MODELS, type SoundModel } from '../boards/sound-card.ts';
export type { HandlerStore, UnpackedStore, UnpackZstd };

/** The smallest and the largest RAM of a machine, in bytes; the host may have less. */
export const MEMORY_LIMITS = { minBytes: 8 * 2 ** 20, maxBytes: 15 * 2 ** 30 } as const;
