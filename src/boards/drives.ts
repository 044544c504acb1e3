import { AtaDisk } from '../devices/ata-disk/ata-disk.ts';
import { AtapiCdrom } from '../devices/atapi-cdrom/atapi-cdrom.ts';
import { ScsiCdrom } from '../devices/atapi-cdrom/scsi-cdrom.ts';
import { FloppyDrive } from '../devices/fdc82078/floppy-drive.ts';
import { IdeChannel, type RegisterBank } from '../devices/piix3-ide/channel.ts';
import { BUS_MASTER_PORTS, Piix3Ide } from '../devices/piix3-ide/piix3-ide.ts';
import { ScsiDisk } from '../devices/scsi-disk/scsi-disk.ts';
import { SCSI_TARGETS, VirtioScsi } from '../devices/virtio/scsi.ts';
import { VirtioPci } from '../devices/virtio/virtio-pci.ts';
import type { AtaDrive } from '../machine/ata.ts';
import type { BusWidth, PortBus } from '../machine/bus.ts';
import { DiskQueue } from '../machine/disk-queue.ts';
import type { HostWork } from '../machine/host-work.ts';
import type { BlockDevice, GuestMemory, IrqLine } from '../machine/interfaces.ts';
import { BusWindow } from '../machine/pci.ts';
import type { PciCard } from '../machine/pci-slot.ts';
import type { ScsiUnit } from '../machine/scsi.ts';
import { CARD_DISK_PATH, floppyPath, idePath, scsiPath } from './firmware-paths.ts';
import { PC_CARD_SLOTS, PC_IDE } from './pc-map.ts';

/** A medium and where it is put: it belongs to the caller, who closes it after the machine has ended. */
export interface PcDrive {
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  /** The controller of a disk. A CD drive is on the IDE controller's second channel, further ones are on SCSI; floppy drives have their own. */
  readonly bus: 'ide' | 'ahci' | 'virtio' | 'scsi' | 'nvme';
  /** The name people know it by, usually that of its file. */
  readonly name: string;
  readonly medium: BlockDevice;
  /** The format of its file, such as `qcow2`; default raw. */
  readonly format?: string;
}

/** A drive as those see it who control the machine. */
export interface DriveBay {
  /** What QEMU calls it, such as `ide1-cd0`. */
  readonly id: string;
  readonly kind: PcDrive['kind'];
  /** What firmware calls its place, in Open Firmware's notation. */
  readonly firmwarePath: string;
  /** The medium and its name; undefined while there is none. */
  readonly inserted: Pick<PcDrive, 'name' | 'medium' | 'format'> | undefined;
  /** How the medium is taken out; undefined for a drive with a fixed one. */
  readonly removable: RemovableDrive | undefined;
}

/** A drive whose medium can be changed while the machine runs. */
export interface RemovableDrive {
  /** Whether the guest holds the medium. */
  readonly locked: boolean;
  readonly trayOpen: boolean;
  /** Puts a medium in, or takes it out, whether the guest holds it or not. */
  change(inserted: DriveBay['inserted']): void;
  /** Asks a guest that holds the medium to let it go. */
  requestEject(): void;
}

/** The drives of a PC's own controllers. */
export interface PcDrives {
  /** the drives on the cable of each IDE channel */
  readonly ideCables: readonly (readonly [AtaDrive | undefined, AtaDrive | undefined])[];
  readonly floppies: readonly FloppyDrive[];
  /** The disks and CD drives of the SCSI controller, in the order of its targets. */
  readonly scsiUnits: readonly ScsiUnit[];
  /** Every drive, those of other controllers too. */
  readonly bays: readonly DriveBay[];
}

/** What the IDE controller is connected to. */
export interface IdeWiring {
  readonly memory: GuestMemory;
  readonly hostWork: HostWork;
  readonly ports: PortBus;
  /** a wire for an ISA interrupt */
  irq(number: number): IrqLine;
}

/** Channel and drive of the CD drive, which is always there, as the first floppy drive is. */
const CD_PLACE = [1, 0] as const;
/** Where IDE disks go, in their order. */
const IDE_DISK_PLACES = [
  [0, 0],
  [0, 1],
  [1, 1],
] as const;

/** The most disks that the IDE controller takes. */
export const MOST_IDE_DISKS = IDE_DISK_PLACES.length;

/** Makes the drives of the board's own controllers with their media.
 * @throws {RangeError} there are more IDE disks than places */
export function makeDrives(drives: readonly PcDrive[], hostWork: HostWork): PcDrives {
  const cables: [AtaDrive | undefined, AtaDrive | undefined][] = PC_IDE.map(() => [undefined, undefined]);
  const disks = drives.filter(({ kind, bus }) => kind === 'disk' && bus === 'ide');
  if (disks.length > MOST_IDE_DISKS) throw new RangeError(`the IDE controller takes ${MOST_IDE_DISKS} disks at most`);
  const bays: DriveBay[] = [];
  for (const [index, inserted] of disks.entries()) {
    const [channel, place] = IDE_DISK_PLACES[index];
    const disk = new DiskQueue(inserted.medium, hostWork);
    cables[channel][place] = new AtaDisk({ disk, serial: serialNumber('VT', channel * 2 + place), sata: false });
    const firmwarePath = idePath(channel, place);
    bays.push({ id: `ide${channel}-hd${place}`, kind: 'disk', firmwarePath, inserted, removable: undefined });
  }
  const cd = drives.find(({ kind, bus }) => kind === 'cdrom' && bus !== 'scsi');
  const [channel, place] = CD_PLACE;
  const cdDrive = new AtapiCdrom({ medium: queueOf(cd, hostWork), serial: serialNumber('VT', channel * 2 + place) });
  cables[channel][place] = cdDrive;
  bays.push(removableBay(`ide${channel}-cd${place}`, 'cdrom', idePath(channel, place), cd, cdDrive, hostWork));
  const disksInFloppyDrives = drives.filter(({ kind }) => kind === 'floppy');
  const floppies = [disksInFloppyDrives[0], ...disksInFloppyDrives.slice(1)].map((inserted, index) => {
    const drive = new FloppyDrive(queueOf(inserted, hostWork));
    bays.push(removableBay(`floppy${index}`, 'floppy', floppyPath(index), inserted, drive, hostWork));
    return drive;
  });
  const scsi = makeScsiUnits(drives, hostWork);
  return { ideCables: cables, floppies, scsiUnits: scsi.units, bays: [...bays, ...baysOfCards(drives), ...scsi.bays] };
}

/** Makes the IDE controller and maps its channels. */
export function makeIde({ ideCables }: PcDrives, { memory, hostWork, ports, irq }: IdeWiring): Piix3Ide {
  const channels = PC_IDE.map((wiring, index) => {
    const channel = new IdeChannel({ drives: ideCables[index], irq: irq(wiring.irq), memory, hostWork });
    const map = ([base, length]: readonly [number, number], bank: RegisterBank, width: BusWidth, name: string) =>
      ports.map(base, length, bank, name, width);
    map(wiring.commandBlock, channel.commandBlock, 4, `ide${index}`);
    map(wiring.controlBlock, channel.controlBlock, 1, `ide${index}Control`);
    return channel;
  });
  return new Piix3Ide(channels, (registers) => new BusWindow(ports, BUS_MASTER_PORTS, registers, 'ideBusMaster', 4));
}

/** The SCSI controller, where something is connected to it. */
export function scsiCards({ scsiUnits }: PcDrives): PciCard[] {
  if (scsiUnits.length === 0) return [];
  const [slot] = PC_CARD_SLOTS.scsi;
  return [{ slot, plug: (connection) => new VirtioPci(new VirtioScsi(scsiUnits), connection) }];
}

/** What a drive with removable media does of itself. */
interface MediumHolder {
  readonly locked?: boolean;
  readonly trayOpen?: boolean;
  insert(medium: DiskQueue | undefined): void;
  requestEject?(): void;
}

function removableBay(
  id: string,
  kind: PcDrive['kind'],
  firmwarePath: string,
  first: DriveBay['inserted'],
  drive: MediumHolder,
  hostWork: HostWork,
): DriveBay {
  let inserted = first;
  return {
    id,
    kind,
    firmwarePath,
    get inserted() {
      return inserted;
    },
    removable: {
      get locked() {
        return drive.locked ?? false;
      },
      get trayOpen() {
        return drive.trayOpen ?? inserted === undefined;
      },
      change(now) {
        inserted = now;
        drive.insert(queueOf(now, hostWork));
      },
      requestEject: () => drive.requestEject?.(),
    },
  };
}

/** Disks and CD drives on SCSI, and the bays they are in. */
function makeScsiUnits(drives: readonly PcDrive[], hostWork: HostWork): { units: ScsiUnit[]; bays: DriveBay[] } {
  const bays: DriveBay[] = [];
  const units = drives
    .filter(({ kind, bus }) => kind !== 'floppy' && bus === 'scsi')
    .map((inserted, target): ScsiUnit => {
      if (target >= SCSI_TARGETS) throw new RangeError(`the SCSI controller takes ${SCSI_TARGETS} drives`);
      const disk = new DiskQueue(inserted.medium, hostWork);
      const firmwarePath = scsiPath(target);
      if (inserted.kind === 'disk') {
        bays.push({ id: `scsi0-hd${target}`, kind: 'disk', firmwarePath, inserted, removable: undefined });
        return new ScsiDisk(disk, serialNumber('VTS', target));
      }
      const drive = new ScsiCdrom(disk);
      bays.push(removableBay(`scsi0-cd${target}`, 'cdrom', firmwarePath, inserted, drive, hostWork));
      return drive;
    });
  return { units, bays };
}

/** Disks on controllers that are plugged into slots. */
function baysOfCards(drives: readonly PcDrive[]): DriveBay[] {
  return (['ahci', 'virtio', 'nvme'] as const).flatMap((bus) =>
    drives
      .filter((drive) => drive.kind === 'disk' && drive.bus === bus)
      .map((inserted, index) => {
        const firmwarePath = CARD_DISK_PATH[bus](index);
        return { id: `${bus}${index}`, kind: 'disk', firmwarePath, inserted, removable: undefined };
      }),
  );
}

function queueOf(inserted: DriveBay['inserted'], hostWork: HostWork): DiskQueue | undefined {
  return inserted && new DiskQueue(inserted.medium, hostWork);
}

/** A serial number that the nth drive, from 0, of a controller always has. */
export function serialNumber(prefix: string, index: number): string {
  return `${prefix}${String(index + 1).padStart(5, '0')}`;
}
