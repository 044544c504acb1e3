import type { HandlerStore } from '../cpu/handler-library.ts';
import type { JitOptions } from '../cpu/machine-code.ts';
import type { AudioSink, CharPort } from '../machine/interfaces.ts';
import type { PciCard } from '../machine/pci-slot.ts';
import type { CardOptions } from './cards.ts';
import type { VgaModel } from './display-card.ts';
import type { PcDrive } from './drives.ts';
import type { BiosMachine, BuiltinBios } from './firmware/builtin.ts';
import type { FirmwareBoot } from './firmware-boot.ts';
import type { BootOptions } from './loaders/index.ts';

/** A kernel that is loaded by the machine itself. */
export type KernelBoot = Pick<BootOptions, 'kernel' | 'unpacked' | 'initrd' | 'commandLine'>;

/** As {@link KernelBoot}, for a machine that does not keep its kernel: it is loaded for each reset, see `PcMachine.prepareReset`. */
export interface LateKernelBoot {
  readonly load: () => Promise<KernelBoot>;
}

/** What a PC is made of. */
export interface PcMachineOptions extends Omit<CardOptions, 'voice'> {
  readonly memoryBytes: number;
  /** Processors, 1 to MOST_CPUS; default 1. */
  readonly cpuCount?: number;
  readonly clock: 'host' | 'virtual';
  readonly hostNanos: () => bigint;
  readonly startEpochMs: number;
  readonly seed: bigint;
  /** The system's UUID for the guest's firmware, 16 bytes in the order of its text; default: made of the seed. */
  readonly uuid?: Uint8Array;
  readonly serial: readonly (CharPort | undefined)[];
  readonly debugExitPort?: number;
  readonly boot: KernelBoot | LateKernelBoot | FirmwareBoot;
  /** Makes the machine's own BIOS, where it starts from that: others need not load its code. */
  readonly makeBios?: (machine: BiosMachine) => BuiltinBios;
  /** Where messages on the debug ports go. */
  readonly debugOutput?: (byte: number) => void;
  /** Takes what is printed on LPT1; absent: there is no such port. */
  readonly parallel?: (byte: number) => void;
  /** The display adapter; default std. */
  readonly vga?: VgaModel;
  /** Where sound goes; absent: nobody hears it. */
  readonly audio?: AudioSink;
  /** When given, hot code is translated. */
  readonly jit?: JitOptions;
  /** Room for decoded code; default 32 MiB. */
  readonly recordBytes?: number;
  /** Where compiled handlers are kept from run to run; absent: nowhere. */
  readonly handlers?: HandlerStore;
  /** Whether the memory can be shared with other threads. */
  readonly sharedMemory: boolean;
  /** Told how many bytes the guest has given away in all, when that has changed. */
  readonly balloonChanged?: (givenBytes: number) => void;
  /** Told when an interrupt line wants an idle processor. */
  readonly wake: () => void;
  /** Disks, and media in the CD and floppy drives. */
  readonly drives?: readonly PcDrive[];
  /** Further PCI cards. */
  readonly cards?: readonly PciCard[];
}
