import { Ac97 } from '../devices/ac97/ac97.ts';
import { AHCI_PORTS, Ahci } from '../devices/ahci/ahci.ts';
import { AtaDisk } from '../devices/ata-disk/ata-disk.ts';
import { E1000 } from '../devices/e1000/e1000.ts';
import { Ne2000Pci } from '../devices/ne2000/ne2000-pci.ts';
import { Nvme } from '../devices/nvme/nvme.ts';
import { Rtl8139 } from '../devices/rtl8139/rtl8139.ts';
import { VirtioBlock } from '../devices/virtio/block.ts';
import { type ConsolePort, VirtioConsole } from '../devices/virtio/console.ts';
import { VirtioNet } from '../devices/virtio/net.ts';
import { VirtioNinep } from '../devices/virtio/ninep/ninep.ts';
import { NinepServer, type NinepShare } from '../devices/virtio/ninep/server.ts';
import { VirtioRng } from '../devices/virtio/rng.ts';
import { SCSI_TARGETS } from '../devices/virtio/scsi.ts';
import { VirtioPci } from '../devices/virtio/virtio-pci.ts';
import { VirtioVsock, type VsockOptions } from '../devices/virtio/vsock/vsock.ts';
import { DiskQueue } from '../machine/disk-queue.ts';
import type { AudioVoice, Clock, DeviceState, NetPort } from '../machine/interfaces.ts';
import type { PciFunction } from '../machine/pci.ts';
import type { PciCard, PciSlot } from '../machine/pci-slot.ts';
import { type PcDrive, serialNumber } from './drives.ts';
import { PC_CARD_SLOTS } from './pc-map.ts';
import type { SoundModel } from './sound-card.ts';

/** Makes a network card of a model. */
type MakeNic = (network: PcNetwork, slot: PciSlot) => PciFunction;

const NICS = {
  virtio: ({ port, mac }, slot) => new VirtioPci(new VirtioNet(port(slot.clock), mac, slot.clock), slot),
  e1000: ({ port, mac }, slot) => new E1000(port(slot.clock), mac, slot),
  rtl8139: ({ port, mac }, slot) => new Rtl8139(port(slot.clock), mac, slot),
  ne2k: ({ port, mac }, slot) => new Ne2000Pci(port(slot.clock), mac, slot),
} as const satisfies Readonly<Record<string, MakeNic>>;

/** Models of network cards. */
export const NIC_MODELS = Object.keys(NICS) as readonly NicModel[];
/** A network card, by the word that asks for it. */
export type NicModel = keyof typeof NICS;

/** A network card and what its cable leads to. */
export interface PcNetwork {
  readonly model: NicModel;
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Makes the other end of the cable. @param clock the machine's */
  readonly port: (clock: Clock) => NetPort;
  /** The other end, once `port` was called, where it keeps something for the guest. */
  readonly far?: () => Saved | undefined;
}

/** Something outside of a machine whose state is saved with it. */
export interface Saved {
  save(): DeviceState;
  /** @throws {Error} when the record is of an unknown version */
  restore(state: DeviceState): void;
}

/** A folder of the host that guests mount by its tag. */
export interface PcShare extends NinepShare {
  /** ASCII, at most 31 characters for Linux. */
  readonly tag: string;
}

/** A stream of bytes to a guest's program, which finds it by its name: on Linux in /dev/virtio-ports. */
export type PcChannel = Required<ConsolePort>;

/** The guest's sockets to the host. */
export type PcVsock = VsockOptions;

/** What cards are made for. */
export interface CardOptions {
  readonly drives?: readonly PcDrive[];
  readonly networks?: readonly PcNetwork[];
  readonly shares?: readonly PcShare[];
  readonly channels?: readonly PcChannel[];
  readonly vsock?: PcVsock;
  readonly sound?: SoundModel;
  /** Makes the line of a chip that sounds; absent where nobody hears it. */
  readonly voice?: () => AudioVoice;
}

/** How many of each kind a machine can have. */
export const MOST_CARDS = {
  networks: PC_CARD_SLOTS.network.length,
  ahciDisks: AHCI_PORTS,
  virtioDisks: PC_CARD_SLOTS.virtioDisk.length,
  scsiDrives: SCSI_TARGETS,
  nvmeDisks: PC_CARD_SLOTS.nvme.length,
  shares: PC_CARD_SLOTS.share.length,
} as const;

/**
 * Makes the cards of a machine. Each kind has slots of its own, so that one more of a kind moves none of the others.
 * @param random 64 random bits, for the guest's entropy
 * @throws {RangeError} there are more of a kind than slots for it
 */
export function makeCards(options: CardOptions, random: () => bigint): PciCard[] {
  const { drives = [], networks = [], shares = [], channels = [], vsock, sound, voice } = options;
  const disksOn = (wanted: PcDrive['bus']) => drives.filter(({ kind, bus }) => kind === 'disk' && bus === wanted);
  const ahciDisks = disksOn('ahci');
  return [
    ...inSlots(PC_CARD_SLOTS.network, networks, (network, slot) => NICS[network.model](network, slot)),
    ...inSlots(PC_CARD_SLOTS.ahci, ahciDisks.length > 0 ? [ahciDisks] : [], makeAhci),
    ...inSlots(PC_CARD_SLOTS.virtioDisk, disksOn('virtio'), (disk, slot, index) => makeDisk(disk, slot, index)),
    ...inSlots(PC_CARD_SLOTS.nvme, disksOn('nvme'), (disk, slot, index) => makeNvme(disk, slot, index)),
    ...inSlots(PC_CARD_SLOTS.share, shares, (share, slot) => makeShare(share, slot)),
    ...inSlots(PC_CARD_SLOTS.sound, sound === 'ac97' ? [voice?.()] : [], (line, slot) => new Ac97(line, slot)),
    ...inSlots(PC_CARD_SLOTS.channels, channels.length > 0 ? [channels] : [], makeChannels),
    ...inSlots(PC_CARD_SLOTS.vsock, vsock ? [vsock] : [], makeVsock),
    ...inSlots(PC_CARD_SLOTS.entropy, [random], (source, slot) => makeRng(source, slot)),
  ];
}

function inSlots<Thing>(
  slots: readonly number[],
  things: readonly Thing[],
  make: (thing: Thing, slot: PciSlot, index: number) => PciFunction,
): PciCard[] {
  if (things.length > slots.length) throw new RangeError(`there are only ${slots.length} slots of this kind`);
  return things.map((thing, index) => ({ slot: slots[index], plug: (slot) => make(thing, slot, index) }));
}

function makeAhci(disks: readonly PcDrive[], slot: PciSlot): PciFunction {
  if (disks.length > AHCI_PORTS) throw new RangeError(`the AHCI controller has ${AHCI_PORTS} ports`);
  const drives = disks.map(({ medium }, port) => {
    const serial = serialNumber('VTA', port);
    return new AtaDisk({ disk: new DiskQueue(medium, slot.hostWork), serial, sata: true });
  });
  return new Ahci(drives, slot);
}

function makeDisk({ medium }: PcDrive, slot: PciSlot, index: number): PciFunction {
  const serial = serialNumber('VTD', index);
  return new VirtioPci(new VirtioBlock(new DiskQueue(medium, slot.hostWork), serial), slot);
}

function makeNvme({ medium }: PcDrive, slot: PciSlot, index: number): PciFunction {
  const serial = serialNumber('VTN', index);
  return new Nvme(new DiskQueue(medium, slot.hostWork), serial, index, slot);
}

function makeShare(share: PcShare, slot: PciSlot): PciFunction {
  return new VirtioPci(new VirtioNinep(new NinepServer(share), share.tag), slot);
}

function makeChannels(channels: readonly PcChannel[], slot: PciSlot): PciFunction {
  return new VirtioPci(new VirtioConsole(channels), slot);
}

function makeVsock(vsock: PcVsock, slot: PciSlot): PciFunction {
  return new VirtioPci(new VirtioVsock(vsock), slot);
}

function makeRng(random: () => bigint, slot: PciSlot): PciFunction {
  const fill = (target: Uint8Array) => {
    for (let at = 0; at < target.length; at += 8) {
      const bytes = new Uint8Array(BigUint64Array.of(random()).buffer);
      target.set(bytes.subarray(0, target.length - at), at);
    }
  };
  return new VirtioPci(new VirtioRng(fill), slot);
}
