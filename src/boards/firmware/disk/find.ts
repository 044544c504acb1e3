import { BDA, EBDA, EBDA_GPA, EBDA_SEGMENT } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { command, peekStatus, pointTransfer, resetChannel, selectUnit, signature, takeStatus } from './ata.ts';
import { addDrive, countDrives, DRIVE, FIRST_CD, FIRST_DISK, translatedGeometry } from './drives.ts';
import { ACTION, DiskRequest } from './request.ts';

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

/**
 * Finds the ATA drives, one after the other: a step a call, with what there is to do in AL as in {@link ACTION}.
 * The request's drive field counts the units.
 */
export function driveFind(c: Caller): void {
  const request = new DiskRequest(c);
  for (;;) {
    const unit = request.get('drive');
    if (unit >= UNITS) {
      c.store(BDA.diskCount, 1, countDrives(c, FIRST_DISK));
      c.al = ACTION.done;
      return;
    }
    const action = STEPS[request.get('step')](c, request, unit);
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
    remember(c, request.get('operation'), unit);
    return nextUnit(request);
  },
];

/** Reads what the drive says of itself (ATA/ATAPI-7, IDENTIFY DEVICE). */
function remember(c: Caller, kind: number, unit: number): void {
  const word = (n: number) => c.load(EBDA_GPA + EBDA.sector + n * 2, 2);
  const hasLba48 = (word(83) & 0x0400) !== 0;
  const lba28 = word(60) + word(61) * 2 ** 16;
  const lba48 = word(100) + word(101) * 2 ** 16 + word(102) * 2 ** 32;
  const isCd = kind === DRIVE.cd;
  const sectors = isCd ? 0 : hasLba48 ? lba48 : lba28;
  const first = isCd ? FIRST_CD : FIRST_DISK;
  addDrive(c, {
    number: first + countDrives(c, first),
    kind,
    unit,
    hasLba48,
    sectorBytes: isCd ? CD_SECTOR_BYTES : DISK_SECTOR_BYTES,
    sectors,
    ...(isCd ? { cylinders: 0, heads: 0, sectorsPerTrack: 0 } : translatedGeometry(sectors)),
    imageStart: 0,
  });
}
