import { ByteWriter } from '../../../base/bytes.ts';
import { BDA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { readCmos } from '../clock.ts';
import { AHCI_DISK } from './ahci.ts';
import { DISK_ERROR, type StepResult, stepCd, stepDisk } from './ata.ts';
import { stepDma } from './dma.ts';
import { countDrives, DRIVE, type Drive, driveOf, FIRST_CD, FIRST_DISK, removeEmulated } from './drives.ts';
import { floppyPlace, stepFloppy } from './floppy.ts';
import { ACTION, DiskRequest, OPERATION } from './request.ts';
import { VIRTIO_DISK } from './virtio.ts';

/** Offsets from the stack pointer of what INT 13h's code has pushed. */
const PUSHED = { di: 0, si: 4, bx: 16, dx: 20, cx: 24, ax: 28, es: 32, ds: 34 } as const;
/** Bytes between the stack pointer and the interrupt's frame. */
export const DISK_PUSHED_BYTES = 36;

const EXTENSIONS_SIGNATURE = 0x55aa;
const EXTENSIONS_VERSION = 0x30;
/** Packet access, removable media, and the drive parameters. */
const EXTENSIONS = 0x0007;
const DISK_PARAMETERS_BYTES = 0x1e;
const PACKET_BYTES = 0x10;
const CHANGED = 0x06;
const FLOPPY_PARAMETERS_VECTOR = 0x1e * 4;
const CMOS_FLOPPIES = 0x10;

/** INT 13h as a caller sees it: its registers, which the BIOS's code has pushed, and the request that goes on after waits. */
class DiskCall {
  readonly c: Caller;
  readonly request: DiskRequest;

  constructor(c: Caller) {
    this.c = c;
    this.request = new DiskRequest(c);
  }

  setRegister(name: keyof typeof PUSHED, value: number): void {
    this.c.store(this.c.stack(PUSHED[name]), 2, value);
  }

  /** Ends the call. */
  finish(status: number): void {
    const { c, request } = this;
    const al = request.get('tellsCount') ? request.get('done') : c.load(c.stack(PUSHED.ax), 1);
    this.setRegister('ax', (al & 0xff) | (status << 8));
    c.carry = status !== 0;
    c.store(request.get('drive') < FIRST_DISK ? BDA.floppyStatus : BDA.diskStatus, 1, status);
    request.set('operation', 0);
  }
}

type Function = (call: DiskCall, drive: Drive) => number | undefined;

/** Functions by AH: their status, or nothing where a transfer has begun. */
const FUNCTIONS: Readonly<Record<number, Function>> = {
  0x00: reset,
  0x02: (call, drive) => beginTracks(call, drive, OPERATION.read),
  0x03: (call, drive) => beginTracks(call, drive, OPERATION.write),
  0x04: (call, drive) => beginTracks(call, drive, OPERATION.verify),
  0x08: parameters,
  0x09: () => DISK_ERROR.none,
  0x0c: () => DISK_ERROR.none,
  0x0d: reset,
  0x10: () => DISK_ERROR.none,
  0x11: () => DISK_ERROR.none,
  0x14: () => DISK_ERROR.none,
  0x15: driveType,
  0x16: () => DISK_ERROR.none,
  0x17: () => DISK_ERROR.none,
  0x18: mediaType,
  0x41: extensionsCheck,
  0x42: (call, drive) => beginPacket(call, drive, OPERATION.read),
  0x43: (call, drive) => beginPacket(call, drive, OPERATION.write),
  0x44: (call, drive) => beginPacket(call, drive, OPERATION.verify),
  0x45: (call) => {
    call.setRegister('ax', 0);
    return DISK_ERROR.none;
  },
  0x47: () => DISK_ERROR.none,
  0x48: extendedParameters,
  0x49: () => CHANGED,
  0x4b: terminateEmulation,
  0x4e: () => DISK_ERROR.none,
};

/** Begins INT 13h: AX to DX, SI and the segments are the caller's. */
export function diskBegin(c: Caller): void {
  const call = new DiskCall(c);
  const { request } = call;
  const { ah, dl } = c;
  request.set('drive', dl);
  for (const field of ['step', 'tries', 'left', 'done', 'packet', 'tellsCount', 'operation'] as const)
    request.set(field, 0);
  const drive = driveOf(c, dl);
  if (ah === 0x01) lastStatus(call);
  else if (!drive) call.finish(ah === 0x15 ? noDrive(call) : missing(call, ah));
  else beginFunction(call, ah, drive);
}

function beginFunction(call: DiskCall, ah: number, drive: Drive): void {
  const status = FUNCTIONS[ah]?.(call, drive) ?? (ah in FUNCTIONS ? undefined : DISK_ERROR.badCommand);
  if (status !== undefined) finishFunction(call, ah, status);
}

function finishFunction(call: DiskCall, ah: number, status: number): void {
  const { c } = call;
  const ax = c.load(c.stack(PUSHED.ax), 2);
  call.finish(status);
  if (ah === 0x15 && status === 0) call.setRegister('ax', ax);
  if (ah === 0x41 && status === 0) call.setRegister('ax', EXTENSIONS_VERSION << 8);
}

/** AH = 15h of a drive that is not there: AH = 0 and no error. */
function noDrive(call: DiskCall): number {
  call.setRegister('cx', 0);
  call.setRegister('dx', 0);
  return DISK_ERROR.none;
}

function missing(call: DiskCall, ah: number): number {
  if (ah === 0x08) {
    call.setRegister('cx', 0);
    call.setRegister('dx', call.c.dl < FIRST_DISK ? countDrives(call.c, 0) : countDrives(call.c, FIRST_DISK));
  }
  return ah === 0x00
    ? DISK_ERROR.none
    : ah === 0x02 && call.c.dl < FIRST_DISK
      ? DISK_ERROR.timeout
      : DISK_ERROR.badCommand;
}

function lastStatus(call: DiskCall): void {
  const { c } = call;
  const status = c.load(c.dl < FIRST_DISK ? BDA.floppyStatus : BDA.diskStatus, 1);
  call.setRegister('ax', status << 8);
  c.carry = status !== 0;
}

/** Takes the next step of the call. AL: what the BIOS's code is to do, as {@link ACTION} has it. */
export function diskStep(c: Caller): void {
  const call = new DiskCall(c);
  const { request } = call;
  if (request.get('operation') === 0) {
    c.al = ACTION.done;
    return;
  }
  const drive = driveOf(c, request.get('drive'));
  const result: StepResult = drive ? stepOf(drive)(c, request, drive) : { end: DISK_ERROR.badCommand };
  if ('action' in result) {
    c.al = result.action;
    return;
  }
  if (result.end !== 0) tellPacket(call);
  call.finish(result.end);
  c.al = ACTION.done;
}

type Step = (c: Caller, request: DiskRequest, drive: Drive) => StepResult;

const STEPS_OF_KIND: Readonly<Record<number, Step>> = {
  [DRIVE.floppy]: stepFloppy,
  [DRIVE.disk]: stepDisk,
  [DRIVE.ahci]: (c, request, drive) => stepDma(c, request, drive, AHCI_DISK),
  [DRIVE.virtio]: (c, request, drive) => stepDma(c, request, drive, VIRTIO_DISK),
};

function stepOf(drive: Drive): Step {
  return STEPS_OF_KIND[drive.kind] ?? stepCd;
}

/** An address packet's count becomes that of the blocks that were moved. */
function tellPacket({ c, request }: DiskCall): void {
  const packet = request.get('packet');
  if (packet !== 0) c.store(packet + 2, 2, request.get('done'));
}

function reset(): number {
  return DISK_ERROR.none;
}

/** AH = 02h to 04h: AL sectors from cylinder, head and sector on. */
function beginTracks(call: DiskCall, drive: Drive, operation: number): number | undefined {
  const { c, request } = call;
  const cylinder = c.ch | ((c.cl & 0xc0) << 2);
  const sector = c.cl & 0x3f;
  const { heads, sectorsPerTrack } = drive;
  request.set('tellsCount', 1);
  const isFloppy = drive.kind === DRIVE.floppy;
  const isInside = sector >= 1 && (isFloppy || sector <= sectorsPerTrack);
  if (c.al === 0 || !isInside || c.dh >= heads) return DISK_ERROR.badCommand;
  if (isFloppy) return begin(call, drive, operation, floppyPlace(cylinder, c.dh, sector), c.al, c.es, c.bx);
  const lba = (cylinder * heads + c.dh) * sectorsPerTrack + sector - 1;
  return begin(call, drive, operation, lba, c.al, c.es, c.bx);
}

function begin(
  { request }: DiskCall,
  drive: Drive,
  operation: number,
  lba: number,
  count: number,
  segment: number,
  offset: number,
): number | undefined {
  const isCd = drive.kind === DRIVE.cd || drive.kind === DRIVE.emulated;
  if (isCd && operation === OPERATION.write) return DISK_ERROR.writeProtected;
  if (drive.kind !== DRIVE.floppy && drive.sectors > 0 && lba + count > drive.sectors) return DISK_ERROR.notFound;
  if (isCd && operation === OPERATION.verify) return DISK_ERROR.none;
  request.set('operation', operation);
  request.set('left', count);
  request.lba = lba;
  request.set('segment', segment);
  request.set('offset', offset);
  return undefined;
}

/** AH = 42h to 44h: what to move is said by a packet at DS:SI (Enhanced Disk Drive Specification 3.0). */
function beginPacket(call: DiskCall, drive: Drive, operation: number): number | undefined {
  const { c, request } = call;
  const at = c.address('ds', c.si, PACKET_BYTES);
  const count = c.load(at + 2, 2);
  const lba = c.load(at + 8, 4) + c.load(at + 12, 4) * 2 ** 32;
  if (c.load(at, 1) < PACKET_BYTES) return DISK_ERROR.badCommand;
  if (count === 0) return DISK_ERROR.none;
  request.set('packet', at);
  return begin(call, drive, operation, lba, count, c.load(at + 6, 2), c.load(at + 4, 2));
}

function parameters(call: DiskCall, drive: Drive): number {
  const { c } = call;
  const { number, cylinders, heads, sectorsPerTrack } = drive;
  if (number >= FIRST_CD) return DISK_ERROR.badCommand;
  const last = Math.max(0, cylinders - 1);
  const count = countDrives(c, number < FIRST_DISK ? 0 : FIRST_DISK);
  call.setRegister('cx', ((last & 0xff) << 8) | ((last & 0x300) >> 2) | sectorsPerTrack);
  call.setRegister('dx', ((heads - 1) << 8) | count);
  if (number < FIRST_DISK) {
    call.setRegister('bx', (c.bx & 0xff00) | floppyType(c, number));
    call.setRegister('di', c.load(FLOPPY_PARAMETERS_VECTOR, 2));
    call.setRegister('es', c.load(FLOPPY_PARAMETERS_VECTOR + 2, 2));
  }
  return DISK_ERROR.none;
}

/** The type of a floppy drive as CMOS memory has it; an emulated one is of 1.44 MB. */
function floppyType(c: Caller, number: number): number {
  const types = readCmos(c, CMOS_FLOPPIES);
  return (number === 0 ? types >> 4 : types & 0x0f) || 4;
}

/** AH = 15h. AH: 1 a floppy without and 2 with change line, 3 a disk whose sectors are in CX:DX. */
function driveType(call: DiskCall, { number, cylinders, heads, sectorsPerTrack }: Drive): number {
  const isDisk = number >= FIRST_DISK;
  const sectors = cylinders * heads * sectorsPerTrack;
  if (isDisk) {
    call.setRegister('cx', sectors >>> 16);
    call.setRegister('dx', sectors & 0xffff);
  }
  call.setRegister('ax', isDisk ? 0x0300 : 0x0200);
  return DISK_ERROR.none;
}

function mediaType(call: DiskCall, drive: Drive): number {
  const { c } = call;
  if (drive.kind !== DRIVE.floppy && drive.kind !== DRIVE.emulated) return DISK_ERROR.badCommand;
  call.setRegister('di', c.load(FLOPPY_PARAMETERS_VECTOR, 2));
  call.setRegister('es', c.load(FLOPPY_PARAMETERS_VECTOR + 2, 2));
  return DISK_ERROR.none;
}

function extensionsCheck(call: DiskCall, drive: Drive): number {
  if (call.c.bx !== EXTENSIONS_SIGNATURE || drive.number < FIRST_DISK) return DISK_ERROR.badCommand;
  call.setRegister('bx', 0xaa55);
  call.setRegister('cx', EXTENSIONS);
  return DISK_ERROR.none;
}

function extendedParameters({ c }: DiskCall, drive: Drive): number {
  const at = c.address('ds', c.si, 0x1a);
  const room = c.load(at, 2);
  if (room < 0x1a) return DISK_ERROR.badCommand;
  const isCd = drive.kind === DRIVE.cd;
  const length = room >= DISK_PARAMETERS_BYTES ? DISK_PARAMETERS_BYTES : 0x1a;
  const { heads, sectorsPerTrack } = isCd ? { heads: 0xffffffff, sectorsPerTrack: 0xffffffff } : drive;
  const cylinders = isCd ? 0xffffffff : Math.floor(drive.sectors / (heads * sectorsPerTrack));
  const table = new ByteWriter()
    .u16(length)
    .u16(isCd ? 0x74 : 0x02)
    .u32(cylinders)
    .u32(heads)
    .u32(sectorsPerTrack);
  table
    .u64(isCd ? 0xffff_ffff_ffff_ffffn : BigInt(drive.sectors))
    .u16(drive.sectorBytes)
    .u32(0xffffffff);
  c.storeBytes(at, table.finish().subarray(0, length));
  return DISK_ERROR.none;
}

/**
 * AH = 4Bh: ends the emulation of a disk by a CD's image, or only tells of it in the packet at DS:SI (El Torito
 * specification, INT 13 function 4B). A drive that has nothing to do with a CD fails it: boot loaders ask so whether it is one.
 */
function terminateEmulation(call: DiskCall, drive: Drive): number {
  const { c } = call;
  if (drive.kind !== DRIVE.cd && drive.kind !== DRIVE.emulated) return DISK_ERROR.badCommand;
  const at = c.address('ds', c.si, 0x13);
  const emulated = c.al === 0 ? removeEmulated(c) : drive.kind === DRIVE.emulated ? drive : undefined;
  const packet = new ByteWriter()
    .u8(0x13)
    .u8(emulated ? (emulated.number < FIRST_DISK ? 2 : 4) : 0)
    .u8(drive.number);
  packet
    .u8(0)
    .u32(emulated ? emulated.imageStart / 4 : 0)
    .zeros(11);
  c.storeBytes(at, packet.finish());
  return DISK_ERROR.none;
}
