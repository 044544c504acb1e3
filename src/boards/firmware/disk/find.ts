import { BDA, EBDA, EBDA_GPA, EBDA_SEGMENT } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { pciFunctions, readConfig, writeConfig } from '../pci-bios.ts';
import { AHCI_CLASS, ahciDisks, beginIdentify, pollAhci } from './ahci.ts';
import { command, peekStatus, pointTransfer, resetChannel, selectUnit, signature, takeStatus } from './ata.ts';
import { addDrive, countDrives, DRIVE, type Drive, FIRST_CD, FIRST_DISK, translatedGeometry } from './drives.ts';
import { ACTION, DiskRequest } from './request.ts';
import { VIRTIO_DISKS, virtioSectors } from './virtio.ts';

const UNITS = 4;
const BUSY = 0x80;
const REQUEST = 0x08;
const ERROR = 0x01;
const ATAPI = 0xeb14;
const IDENTIFY = 0xec;
const IDENTIFY_PACKET = 0xa1;
const CD_SECTOR_BYTES = 2048;
const DISK_SECTOR_BYTES = 512;
const STEP = { reset: 0, identify: 1, data: 2, parse: 3 } as const;
const TIMEOUT_TICKS = 18 * 2;
/** PCI configuration: class with revision, command, and what lets a function decode and reach memory. */
const CLASS = 0x08;
const COMMAND = 0x04;
const COMMAND_ENABLE = 0x07;

/**
 * Finds the ATA drives and then the disks on AHCI and virtio, one after the other: a step a call, with what there is to
 * do in AL as in {@link ACTION}. The request's drive field counts them.
 */
export function driveFind(c: Caller): void {
  const request = new DiskRequest(c);
  for (;;) {
    const unit = request.get('drive');
    const isAta = unit < UNITS;
    const disk = isAta ? undefined : pciDisks(c)[unit - UNITS];
    if (!isAta && !disk) {
      c.store(BDA.diskCount, 1, countDrives(c, FIRST_DISK));
      c.al = ACTION.done;
      return;
    }
    const action = disk ? stepPciDisk(c, request, disk) : STEPS[request.get('step')](c, request, unit);
    if (action !== undefined) {
      c.al = action;
      return;
    }
  }
}

function nextUnit(request: DiskRequest): undefined {
  request.set('drive', request.get('drive') + 1);
  request.set('step', STEP.reset);
  return undefined;
}

function waitOrGiveUp(c: Caller, request: DiskRequest): number | undefined {
  return c.load(BDA.ticks, 4) > request.get('deadline') ? nextUnit(request) : ACTION.wait;
}

const STEPS: readonly ((c: Caller, request: DiskRequest, unit: number) => number | undefined)[] = [
  (c, request, unit) => {
    request.set('deadline', c.load(BDA.ticks, 4) + TIMEOUT_TICKS);
    selectUnit(c, unit);
    if (peekStatus(c, unit) === 0xff) return nextUnit(request);
    if ((unit & 1) === 0) resetChannel(c, unit);
    selectUnit(c, unit);
    request.set('step', STEP.identify);
    return undefined;
  },
  (c, request, unit) => {
    const status = peekStatus(c, unit);
    if (status & BUSY) return waitOrGiveUp(c, request);
    const kind = signature(c, unit);
    if ((status === 0 && kind !== ATAPI) || (kind !== ATAPI && kind !== 0)) return nextUnit(request);
    request.set('operation', kind === ATAPI ? DRIVE.cd : DRIVE.disk);
    command(c, unit, kind === ATAPI ? IDENTIFY_PACKET : IDENTIFY);
    request.set('step', STEP.data);
    return undefined;
  },
  (c, request, unit) => {
    if (peekStatus(c, unit) & BUSY) return waitOrGiveUp(c, request);
    const status = takeStatus(c, unit);
    if (status & ERROR || !(status & REQUEST)) return nextUnit(request);
    pointTransfer(c, unit, EBDA_SEGMENT, EBDA.sector, DISK_SECTOR_BYTES);
    request.set('step', STEP.parse);
    return ACTION.input;
  },
  (c, request, unit) => {
    takeStatus(c, unit);
    remember(c, { kind: request.get('operation'), unit, place: 0 }, identified(c));
    return nextUnit(request);
  },
];

/** A disk on a controller that is found through PCI. */
type PciDisk = Pick<Drive, 'kind' | 'unit' | 'place'>;

/** Those of AHCI first. */
function pciDisks(c: Caller): PciDisk[] {
  const places = [...pciFunctions(c)];
  const ahci = places.filter((place) => readConfig(c, place, CLASS, 4) >>> 8 === AHCI_CLASS);
  const virtio = places.filter((place) => VIRTIO_DISKS.includes(readConfig(c, place, 0, 4)));
  return [
    ...ahci.flatMap((place) => ahciDisks(c, place).map((unit) => ({ kind: DRIVE.ahci, unit, place }))),
    ...virtio.map((place) => ({ kind: DRIVE.virtio, unit: 0, place })),
  ];
}

function stepPciDisk(c: Caller, request: DiskRequest, disk: PciDisk): number | undefined {
  const { kind, place } = disk;
  if (request.get('step') === STEP.reset) {
    writeConfig(c, place, COMMAND, 2, COMMAND_ENABLE);
    if (kind === DRIVE.virtio) {
      remember(c, disk, { sectors: virtioSectors(c, place), hasLba48: true });
      return nextUnit(request);
    }
    beginIdentify(c, disk, EBDA_GPA + EBDA.sector);
    request.set('deadline', c.load(BDA.ticks, 4) + TIMEOUT_TICKS);
    request.set('step', STEP.identify);
  }
  const end = pollAhci(c, disk);
  if (end === undefined) return c.load(BDA.ticks, 4) > request.get('deadline') ? nextUnit(request) : ACTION.poll;
  if (end === 'done') remember(c, disk, identified(c));
  return nextUnit(request);
}

/** What the drive says of itself (ATA/ATAPI-7, IDENTIFY DEVICE). */
function identified(c: Caller): Pick<Drive, 'sectors' | 'hasLba48'> {
  const word = (n: number) => c.load(EBDA_GPA + EBDA.sector + n * 2, 2);
  const hasLba48 = (word(83) & 0x0400) !== 0;
  const lba28 = word(60) + word(61) * 2 ** 16;
  const lba48 = word(100) + word(101) * 2 ** 16 + word(102) * 2 ** 32;
  return { sectors: hasLba48 ? lba48 : lba28, hasLba48 };
}

function remember(
  c: Caller,
  { kind, unit, place }: PciDisk,
  { sectors, hasLba48 }: ReturnType<typeof identified>,
): void {
  const isCd = kind === DRIVE.cd;
  const first = isCd ? FIRST_CD : FIRST_DISK;
  addDrive(c, {
    number: first + countDrives(c, first),
    kind,
    unit,
    place,
    hasLba48,
    sectorBytes: isCd ? CD_SECTOR_BYTES : DISK_SECTOR_BYTES,
    sectors: isCd ? 0 : sectors,
    ...(isCd ? { cylinders: 0, heads: 0, sectorsPerTrack: 0 } : translatedGeometry(sectors)),
    imageStart: 0,
  });
}
