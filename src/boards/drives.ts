import { AtaDisk } from '../devices/ata-disk/ata-disk.ts';
import { AtapiCdrom } from '../devices/atapi-cdrom/atapi-cdrom.ts';
import { IdeChannel, type RegisterBank } from '../devices/piix3-ide/channel.ts';
import { BUS_MASTER_PORTS, Piix3Ide } from '../devices/piix3-ide/piix3-ide.ts';
import type { AtaDrive } from '../machine/ata.ts';
import type { BusWidth, PortBus } from '../machine/bus.ts';
import { DiskQueue } from '../machine/disk-queue.ts';
import type { HostWork } from '../machine/host-work.ts';
import type { BlockDevice, GuestMemory, IrqLine } from '../machine/interfaces.ts';
import { BusWindow } from '../machine/pci.ts';
import { PC_IDE } from './pc-map.ts';

/** A medium and where it is put: it belongs to the caller, who closes it after the machine has ended. */
export interface PcDrive {
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  /** The controller of a disk. CD drives are on the IDE controller's second channel, floppy drives on their own. */
  readonly bus: 'ide' | 'ahci' | 'virtio' | 'scsi';
  /** The name people know it by, usually that of its file. */
  readonly name: string;
  readonly medium: BlockDevice;
}

/** What the board's own disk controllers are connected to. */
export interface DriveWiring {
  readonly memory: GuestMemory;
  readonly hostWork: HostWork;
  readonly ports: PortBus;
  /** a wire for an ISA interrupt */
  irq(number: number): IrqLine;
}

/** Channel and drive of the CD drive, which is always there. */
const CD_PLACE = [1, 0] as const;
/** Where IDE disks go, in their order. */
const IDE_DISK_PLACES = [
  [0, 0],
  [0, 1],
  [1, 1],
] as const;

/** The most disks that the IDE controller takes. */
export const MOST_IDE_DISKS = IDE_DISK_PLACES.length;

/** Makes the IDE controller with its drives and maps its channels.
 * @throws {RangeError} there are more IDE disks than places */
export function makeIde(drives: readonly PcDrive[], { memory, hostWork, ports, irq }: DriveWiring): Piix3Ide {
  const cables = connectIdeDrives(drives, hostWork);
  const channels = PC_IDE.map((wiring, index) => {
    const channel = new IdeChannel({ drives: cables[index], irq: irq(wiring.irq), memory, hostWork });
    const map = ([base, length]: readonly [number, number], bank: RegisterBank, width: BusWidth, name: string) =>
      ports.map(base, length, bank, name, width);
    map(wiring.commandBlock, channel.commandBlock, 4, `ide${index}`);
    map(wiring.controlBlock, channel.controlBlock, 1, `ide${index}Control`);
    return channel;
  });
  return new Piix3Ide(channels, (registers) => new BusWindow(ports, BUS_MASTER_PORTS, registers, 'ideBusMaster', 4));
}

/** The drives on the cable of each channel. */
function connectIdeDrives(drives: readonly PcDrive[], hostWork: HostWork) {
  const cables: [AtaDrive | undefined, AtaDrive | undefined][] = PC_IDE.map(() => [undefined, undefined]);
  const disks = drives.filter(({ kind, bus }) => kind === 'disk' && bus === 'ide');
  if (disks.length > MOST_IDE_DISKS) throw new RangeError(`the IDE controller takes ${MOST_IDE_DISKS} disks at most`);
  for (const [index, { medium }] of disks.entries()) {
    const [channel, place] = IDE_DISK_PLACES[index];
    const disk = new DiskQueue(medium, hostWork);
    cables[channel][place] = new AtaDisk({ disk, serial: serialNumber(channel * 2 + place), sata: false });
  }
  const cd = drives.find(({ kind }) => kind === 'cdrom');
  const medium = cd && new DiskQueue(cd.medium, hostWork);
  const [channel, place] = CD_PLACE;
  cables[channel][place] = new AtapiCdrom({ medium, serial: serialNumber(channel * 2 + place) });
  return cables;
}

/** A serial number that the drive in a place always has. */
function serialNumber(place: number): string {
  return `VT${String(place + 1).padStart(5, '0')}`;
}
