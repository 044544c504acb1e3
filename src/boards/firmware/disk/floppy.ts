import { BDA, EBDA, EBDA_GPA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { DISK_ERROR, type StepResult } from './ata.ts';
import type { Drive } from './drives.ts';
import { ACTION, type DiskRequest, OPERATION } from './request.ts';

/** Registers of the floppy disk controller (Intel 82077AA data sheet). */
const PORT = { output: 0x3f2, status: 0x3f4, data: 0x3f5, rate: 0x3f7 } as const;
const DIR_CHANGED = 0x80;
const DOR_ENABLED = 0x0c;
const DOR_MOTOR = 0x10;
const MSR_READY = 0x80;
const MSR_TO_HOST = 0x40;
const COMMAND = {
  specify: 0x03,
  recalibrate: 0x07,
  senseInterrupt: 0x08,
  seek: 0x0f,
  read: 0xe6,
  write: 0xc5,
  verify: 0xe6,
};
const SPECIFY = [0xaf, 0x02];
const GAP = 0x1b;
const SECTOR_SIZE_512 = 2;
const SECTOR_BYTES = 512;
const RESULT_BYTES = 7;
const INTERRUPTED = 0x80;
const MOTOR_OFF_TICKS = 0x25;
const TIMEOUT_TICKS = 18 * 4;
const POLLS = 1000;
/** Registers of the DMA controller's channel 2. */
const DMA = { mask: 0x0a, mode: 0x0b, clear: 0x0c, address: 0x04, count: 0x05, page: 0x81 } as const;
const DMA_CHANNEL = 2;
const DMA_WRITE_MEMORY = 0x46;
const DMA_READ_MEMORY = 0x4a;
const DMA_BOUNDARY = 0x09;
const MOST_TRIES = 3;

/** Formats of disks, those with more sectors first: data rate (as the controller's register has it), sectors a track. */
const FORMATS = [
  [3, 36],
  [0, 21],
  [0, 18],
  [0, 15],
  [2, 10],
  [2, 9],
  [1, 9],
  [2, 8],
] as const;
const HEADS = 2;
const MOST_CYLINDERS = 85;
/** What has to be done to the change line: it falls when the head moves. */
const CYLINDER_TO_STEP_TO = 1;
const CHANGED = 0x06;

const STEP = { start: 0, recalibrated: 1, stepped: 2, probed: 3, sought: 4, moved: 5 } as const;
const WAIT: StepResult = { action: ACTION.wait };

/** Takes the next step of a request to a floppy drive: motor, format of the medium, seek, a part of a track by DMA. */
export function stepFloppy(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const step = request.get('step');
  if (step === STEP.start) return start(c, request, drive);
  if (!(c.load(BDA.floppyRecalibrated, 1) & INTERRUPTED)) return waitOrGiveUp(c, request);
  return AFTER[step](c, request, drive);
}

/** What follows the interrupt that ends a step. */
const AFTER: Readonly<Record<number, (c: Caller, request: DiskRequest, drive: Drive) => StepResult>> = {
  [STEP.recalibrated]: (c, request, drive) => {
    senseInterrupt(c);
    c.store(BDA.floppyRecalibrated, 1, c.load(BDA.floppyRecalibrated, 1) | (1 << drive.unit));
    return begin(c, request, STEP.stepped, [COMMAND.seek, drive.unit, CYLINDER_TO_STEP_TO]);
  },
  [STEP.stepped]: (c, request, drive) => {
    senseInterrupt(c);
    if (c.in(PORT.rate) & DIR_CHANGED) return { end: DISK_ERROR.timeout };
    request.set('tries', 0);
    return probe(c, request, drive);
  },
  [STEP.probed]: (c, request, drive) => {
    const bytes = receive(c, RESULT_BYTES);
    const format = request.get('tries');
    const isRight = bytes !== undefined && (bytes[0] & 0xc0) === 0;
    request.set('tries', isRight ? 0 : format + 1);
    if (!isRight) return probe(c, request, drive);
    c.store(mediaOf(drive), 1, format + 1);
    return beginMove(c, request, drive);
  },
  [STEP.sought]: (c, request, drive) => {
    senseInterrupt(c);
    return move(c, request, drive);
  },
  [STEP.moved]: result,
};

/** Where the number of the medium's format is kept: 0 while it is not known. */
function mediaOf({ unit }: Drive): number {
  return EBDA_GPA + EBDA.media + unit;
}

function sectorsPerTrack(c: Caller, drive: Drive): number {
  return FORMATS[c.load(mediaOf(drive), 1) - 1][1];
}

function start(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  c.store(BDA.floppyMotor, 1, 1 << drive.unit);
  c.store(BDA.floppyTimeout, 1, MOTOR_OFF_TICKS);
  c.out(PORT.output, (DOR_MOTOR << drive.unit) | DOR_ENABLED | drive.unit);
  const known = c.load(mediaOf(drive), 1) !== 0;
  if (!(c.in(PORT.rate) & DIR_CHANGED) && known) return beginMove(c, request, drive);
  c.store(mediaOf(drive), 1, 0);
  c.store(BDA.floppyRecalibrated, 1, 0);
  if (known) return { end: CHANGED };
  if (!send(c, [COMMAND.specify, ...SPECIFY])) return { end: DISK_ERROR.controller };
  return begin(c, request, STEP.recalibrated, [COMMAND.recalibrate, drive.unit]);
}

/** Tries to read the last sector that a track of the next format has; the head is on the first cylinder's neighbour. */
function probe(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const format = FORMATS[request.get('tries')];
  if (!format) return { end: DISK_ERROR.noMediaType };
  const [rate, sector] = format;
  c.out(PORT.rate, rate);
  programDma(c, EBDA_GPA + EBDA.sector, SECTOR_BYTES, OPERATION.read);
  const where = [drive.unit, CYLINDER_TO_STEP_TO, 0, sector, SECTOR_SIZE_512, sector, GAP, 0xff];
  return begin(c, request, STEP.probed, [COMMAND.read, ...where]);
}

/** The medium's format is known: the place that the caller means can be found. */
function beginMove(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  if (request.get('left') === 0) return { end: DISK_ERROR.none };
  c.out(PORT.rate, FORMATS[c.load(mediaOf(drive), 1) - 1][0]);
  if (request.get('lbaHigh') !== 0) {
    const place = request.get('lbaLow');
    const [cylinder, head, sector] = [place >>> 16, (place >> 8) & 0xff, place & 0xff];
    const track = sectorsPerTrack(c, drive);
    if (sector > track || head >= HEADS || cylinder > MOST_CYLINDERS) return { end: DISK_ERROR.notFound };
    request.lba = (cylinder * HEADS + head) * track + sector - 1;
  }
  return seek(c, request, drive);
}

/** The place that a caller names, until the medium's format is known: the marker that it is one is the high part. */
export function floppyPlace(cylinder: number, head: number, sector: number): number {
  return 2 ** 32 + (cylinder * 0x10000 + head * 0x100 + sector);
}

/** Gives a command that ends with an interrupt. */
function begin(c: Caller, request: DiskRequest, step: number, bytes: readonly number[]): StepResult {
  c.store(BDA.floppyRecalibrated, 1, c.load(BDA.floppyRecalibrated, 1) & ~INTERRUPTED);
  request.set('deadline', c.load(BDA.ticks, 4) + TIMEOUT_TICKS);
  request.set('step', step);
  return send(c, bytes) ? WAIT : { end: DISK_ERROR.controller };
}

interface Place {
  readonly cylinder: number;
  readonly head: number;
  readonly sector: number;
}

function placeOf(lba: number, sectors: number): Place {
  const track = Math.floor(lba / sectors);
  return { cylinder: Math.floor(track / HEADS), head: track % HEADS, sector: (lba % sectors) + 1 };
}

function seek(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const { cylinder, head } = placeOf(request.lba, sectorsPerTrack(c, drive));
  return begin(c, request, STEP.sought, [COMMAND.seek, (head << 2) | drive.unit, cylinder]);
}

/** How many sectors the next command moves: to the end of the track at most. */
function pieceOf(c: Caller, request: DiskRequest, drive: Drive): number {
  return Math.min(
    request.get('left'),
    sectorsPerTrack(c, drive) - placeOf(request.lba, sectorsPerTrack(c, drive)).sector + 1,
  );
}

function move(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const { cylinder, head, sector } = placeOf(request.lba, sectorsPerTrack(c, drive));
  const operation = request.get('operation');
  const bytes = pieceOf(c, request, drive) * SECTOR_BYTES;
  const address = request.get('segment') * 16 + request.get('offset');
  if ((address & 0xffff) + bytes > 0x10000) return { end: DMA_BOUNDARY };
  programDma(c, address, bytes, operation);
  const code = operation === OPERATION.write ? COMMAND.write : COMMAND.read;
  const last = sector + pieceOf(c, request, drive) - 1;
  const where = [(head << 2) | drive.unit, cylinder, head, sector, SECTOR_SIZE_512, last, GAP, 0xff];
  return begin(c, request, STEP.moved, [code, ...where]);
}

function programDma(c: Caller, address: number, bytes: number, operation: number): void {
  const isWrite = operation === OPERATION.write;
  const isVerify = operation === OPERATION.verify;
  c.out(DMA.mask, DMA_CHANNEL | 4);
  c.out(DMA.clear, 0);
  c.out(DMA.mode, isVerify ? 0x42 : isWrite ? DMA_READ_MEMORY : DMA_WRITE_MEMORY);
  c.out(DMA.address, address & 0xff);
  c.out(DMA.address, (address >> 8) & 0xff);
  c.out(DMA.page, (address >> 16) & 0xff);
  c.out(DMA.count, (bytes - 1) & 0xff);
  c.out(DMA.count, (bytes - 1) >> 8);
  c.out(DMA.mask, DMA_CHANNEL);
}

function result(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const bytes = receive(c, RESULT_BYTES);
  if (!bytes) return { end: DISK_ERROR.controller };
  const [status0, status1] = bytes;
  if (status0 & 0xc0) return retry(c, request, drive, errorOf(status0, status1));
  request.advance(pieceOf(c, request, drive), SECTOR_BYTES);
  request.set('step', STEP.start);
  request.set('tries', 0);
  return start(c, request, drive);
}

function errorOf(status0: number, status1: number): number {
  if (status0 & 0x08) return DISK_ERROR.timeout;
  if (status1 & 0x02) return DISK_ERROR.writeProtected;
  if (status1 & 0x20) return DISK_ERROR.uncorrectable;
  return status1 & 0x05 ? DISK_ERROR.notFound : DISK_ERROR.controller;
}

function retry(c: Caller, request: DiskRequest, drive: Drive, error: number): StepResult {
  const tries = request.get('tries') + 1;
  if (tries >= MOST_TRIES || error === DISK_ERROR.writeProtected) return { end: error };
  request.set('tries', tries);
  request.set('step', STEP.start);
  return start(c, request, drive);
}

function senseInterrupt(c: Caller): void {
  if (send(c, [COMMAND.senseInterrupt])) receive(c, 2);
}

function send(c: Caller, bytes: readonly number[]): boolean {
  return bytes.every((byte) => {
    if (!ready(c, 0)) return false;
    c.out(PORT.data, byte);
    return true;
  });
}

function receive(c: Caller, count: number): number[] | undefined {
  const bytes: number[] = [];
  while (bytes.length < count) {
    if (!ready(c, MSR_TO_HOST)) return undefined;
    bytes.push(c.in(PORT.data));
  }
  return bytes;
}

function ready(c: Caller, direction: number): boolean {
  for (let n = 0; n < POLLS; n++) {
    if ((c.in(PORT.status) & (MSR_READY | MSR_TO_HOST)) === (MSR_READY | direction)) return true;
  }
  return false;
}

/** A drive that does not answer has no medium, or is not there: it starts from reset next time. */
function waitOrGiveUp(c: Caller, request: DiskRequest): StepResult {
  if (c.load(BDA.ticks, 4) <= request.get('deadline')) return WAIT;
  c.out(PORT.output, 0);
  c.out(PORT.output, DOR_ENABLED);
  c.store(BDA.floppyRecalibrated, 1, 0);
  return { end: DISK_ERROR.timeout };
}
