import { BDA, EBDA, EBDA_GPA, EBDA_SEGMENT } from '../bda.ts';
import type { Caller } from '../caller.ts';
import type { Drive } from './drives.ts';
import { ACTION, type DiskRequest, OPERATION } from './request.ts';

/** Command block and control block of the two channels. */
const CHANNELS = [
  [0x1f0, 0x3f6],
  [0x170, 0x376],
] as const;
const REG = { features: 1, count: 2, low: 3, mid: 4, high: 5, device: 6, command: 7 } as const;
const STATUS = { busy: 0x80, ready: 0x40, fault: 0x20, request: 0x08, error: 0x01 } as const;
const DEVICE_LBA = 0xe0;
const COMMAND = { read: 0x20, readExt: 0x24, write: 0x30, writeExt: 0x34, verify: 0x40, verifyExt: 0x42, packet: 0xa0 };
const LBA28_END = 0x10000000;
const BLOCK_BYTES = 512;
const CD_BLOCK_BYTES = 2048;
const MOST_BLOCKS = 128;
const PACKET_BYTES = 12;
const READ_12 = 0xa8;
/** An ATAPI drive tells of a change of its medium by failing once or twice. */
const MOST_TRIES = 5;
/** After how many ticks of the clock a drive is given up. */
export const TIMEOUT_TICKS = 18 * 30;

/** Codes of AH that INT 13h returns. */
export const DISK_ERROR = {
  none: 0x00,
  badCommand: 0x01,
  badSector: 0x02,
  writeProtected: 0x03,
  notFound: 0x04,
  noMediaType: 0x0c,
  uncorrectable: 0x10,
  controller: 0x20,
  timeout: 0x80,
  notReady: 0xaa,
  noMedia: 0x31,
} as const;

const STEP = { issue: 0, data: 1, packet: 2 } as const;

/** What a step came to: something for the BIOS's code to do, or the end with an error or none. */
export type StepResult = { readonly action: number } | { readonly end: number };

const WAIT: StepResult = { action: ACTION.wait };

function portsOf(unit: number): { base: number; control: number } {
  const [base, control] = CHANNELS[unit >> 1];
  return { base, control };
}

/** Writes a unit's number into the device register. */
export function selectUnit(c: Caller, unit: number, bits = 0xa0): void {
  c.out(portsOf(unit).base + REG.device, bits | ((unit & 1) << 4));
}

/** Status, without acknowledging the interrupt. */
export function peekStatus(c: Caller, unit: number): number {
  return c.in(portsOf(unit).control);
}

/** Status, which acknowledges the interrupt. */
export function takeStatus(c: Caller, unit: number): number {
  return c.in(portsOf(unit).base + REG.command);
}

/** Writes the device's command register. */
export function command(c: Caller, unit: number, code: number): void {
  c.store(BDA.diskIrq, 1, 0);
  c.out(portsOf(unit).base + REG.command, code);
}

/** Resets a channel and lets it interrupt. */
export function resetChannel(c: Caller, unit: number): void {
  const { control } = portsOf(unit);
  c.out(control, 0x04);
  c.out(control, 0x00);
}

/** Bytes of the command block that tell an ATA drive from an ATAPI one after a reset. */
export function signature(c: Caller, unit: number): number {
  const { base } = portsOf(unit);
  return c.in(base + REG.mid) | (c.in(base + REG.high) << 8);
}

/** Points DX, CX, ES and DI at a transfer of `bytes`. */
export function pointTransfer(c: Caller, unit: number, segment: number, offset: number, bytes: number): void {
  c.dx = portsOf(unit).base;
  c.cx = bytes / 2;
  if (segment !== c.es) c.es = segment;
  c.di = offset;
}

/** Takes the next step of a request to an ATA disk. */
export function stepDisk(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const status = peekStatus(c, drive.unit);
  if (request.get('step') === STEP.issue) {
    if (request.get('left') === 0) return { end: DISK_ERROR.none };
    if (status & STATUS.busy) return wait(c, request);
    issue(c, request, drive);
    request.set('step', STEP.data);
    return peekStatus(c, drive.unit) & STATUS.busy ? WAIT : stepDisk(c, request, drive);
  }
  if (status & STATUS.busy) return wait(c, request);
  const final = takeStatus(c, drive.unit);
  if (final & (STATUS.error | STATUS.fault)) return { end: errorOf(c, drive.unit) };
  if (request.get('operation') === OPERATION.verify) {
    request.advance(Math.min(request.get('left'), MOST_BLOCKS), 0);
    return endOfCommand(c, request, drive);
  }
  if (request.get('left') === 0) return { end: DISK_ERROR.none };
  if (!(final & STATUS.request)) return endOfCommand(c, request, drive);
  return moveBlock(c, request, drive);
}

/** A command moves at most as many blocks as its count says; then the next one is given. */
function endOfCommand(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  request.set('step', STEP.issue);
  return stepDisk(c, request, drive);
}

function moveBlock(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const [segment, offset] = normalized(c, request);
  pointTransfer(c, drive.unit, segment, offset, BLOCK_BYTES);
  request.advance(1, BLOCK_BYTES);
  return { action: request.get('operation') === OPERATION.write ? ACTION.output : ACTION.input };
}

/** Segment and offset with the offset so small that no block wraps at the segment's end. */
function normalized(c: Caller, request: DiskRequest): [segment: number, offset: number] {
  const [segment, offset] = [request.get('segment'), request.get('offset')];
  if (offset <= 0x10000 - CD_BLOCK_BYTES) return [segment, offset];
  return c.hasParagraphSegments ? [segment + (offset >> 4), offset & 0x0f] : [segment, offset];
}

function issue(c: Caller, request: DiskRequest, drive: Drive): void {
  const { lba } = request;
  const count = Math.min(request.get('left'), MOST_BLOCKS);
  const isExt = lba + count > LBA28_END;
  const { base } = portsOf(drive.unit);
  const bytes = Array.from({ length: 6 }, (_, i) => Math.floor(lba / 0x100 ** i) & 0xff);
  selectUnit(c, drive.unit, isExt ? DEVICE_LBA : DEVICE_LBA | bytes[3]);
  if (isExt) {
    c.out(base + REG.count, 0);
    for (let n = 0; n < 3; n++) c.out(base + REG.low + n, bytes[n + 3]);
  }
  c.out(base + REG.count, count);
  for (let n = 0; n < 3; n++) c.out(base + REG.low + n, bytes[n]);
  const operation = request.get('operation');
  const codes = { [OPERATION.read]: 'read', [OPERATION.write]: 'write', [OPERATION.verify]: 'verify' } as const;
  const name = codes[operation as 1 | 2 | 3];
  command(c, drive.unit, COMMAND[isExt ? (`${name}Ext` as const) : name]);
  setDeadline(c, request);
}

function errorOf(c: Caller, unit: number): number {
  const error = c.in(portsOf(unit).base + REG.features);
  if (error & 0x10) return DISK_ERROR.notFound;
  return error & 0x40 ? DISK_ERROR.uncorrectable : DISK_ERROR.controller;
}

/** Takes the next step of a request to a CD drive: blocks of 2048 bytes, or of 512 for an image that stands for a disk. */
export function stepCd(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const status = peekStatus(c, drive.unit);
  if (status & STATUS.busy) return wait(c, request);
  switch (request.get('step')) {
    case STEP.issue:
      return issuePacket(c, request, drive);
    case STEP.packet:
      return sendPacket(c, request, drive);
    default:
      return continueCd(c, request, drive);
  }
}

function issuePacket(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  if (request.get('left') === 0) return { end: DISK_ERROR.none };
  const { base } = portsOf(drive.unit);
  selectUnit(c, drive.unit);
  c.out(base + REG.features, 0);
  c.out(base + REG.mid, CD_BLOCK_BYTES & 0xff);
  c.out(base + REG.high, CD_BLOCK_BYTES >> 8);
  command(c, drive.unit, COMMAND.packet);
  setDeadline(c, request);
  request.set('step', STEP.packet);
  return WAIT;
}

function sendPacket(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const status = takeStatus(c, drive.unit);
  if (status & STATUS.error) return retry(c, request, drive);
  if (!(status & STATUS.request)) return wait(c, request);
  const { block, count } = cdBlocks(request, drive);
  const packet = new Uint8Array(PACKET_BYTES);
  const view = new DataView(packet.buffer);
  packet[0] = READ_12;
  view.setUint32(2, block);
  view.setUint32(6, count);
  const { base } = portsOf(drive.unit);
  for (let n = 0; n < PACKET_BYTES; n += 2) c.out(base, view.getUint16(n, true), 2);
  request.set('step', STEP.data);
  return WAIT;
}

/** Which blocks of the CD to read next: as many as are wanted, or the one with the next part of an image. */
function cdBlocks(request: DiskRequest, drive: Drive): { block: number; count: number } {
  if (drive.sectorBytes === CD_BLOCK_BYTES) return { block: request.lba, count: request.get('left') };
  return { block: Math.floor((drive.imageStart + request.lba) / 4), count: 1 };
}

function continueCd(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const status = takeStatus(c, drive.unit);
  if (status & STATUS.error) return retry(c, request, drive);
  if (status & STATUS.request) return inputCd(c, request, drive);
  if (drive.sectorBytes !== CD_BLOCK_BYTES) copyImageBlocks(c, request, drive);
  request.set('step', STEP.issue);
  return issuePacket(c, request, drive);
}

function inputCd(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const bytes = signature(c, drive.unit);
  if (drive.sectorBytes !== CD_BLOCK_BYTES) {
    pointTransfer(c, drive.unit, EBDA_SEGMENT, EBDA.sector, CD_BLOCK_BYTES);
    return { action: ACTION.input };
  }
  const [segment, offset] = normalized(c, request);
  pointTransfer(c, drive.unit, segment, offset, bytes);
  request.advance(bytes / CD_BLOCK_BYTES, CD_BLOCK_BYTES);
  return { action: ACTION.input };
}

/** Hands the wanted parts of a CD's block out as blocks of 512 bytes. */
function copyImageBlocks(c: Caller, request: DiskRequest, drive: Drive): void {
  const first = (drive.imageStart + request.lba) % 4;
  const count = Math.min(4 - first, request.get('left'));
  for (let n = first; n < first + count; n++) {
    const [segment, offset] = [request.get('segment'), request.get('offset')];
    const bytes = c.loadBytes(EBDA_GPA + EBDA.sector + n * BLOCK_BYTES, BLOCK_BYTES);
    c.storeBytes(segment * 16 + offset, bytes);
    request.advance(1, BLOCK_BYTES);
  }
}

function retry(c: Caller, request: DiskRequest, drive: Drive): StepResult {
  const tries = request.get('tries') + 1;
  const sense = c.in(portsOf(drive.unit).base + REG.features) >> 4;
  if (tries >= MOST_TRIES || sense === 5) return { end: sense === 2 ? DISK_ERROR.noMedia : DISK_ERROR.controller };
  request.set('tries', tries);
  request.set('step', STEP.issue);
  return issuePacket(c, request, drive);
}

function setDeadline(c: Caller, request: DiskRequest): void {
  request.set('deadline', c.load(BDA.ticks, 4) + TIMEOUT_TICKS);
}

function wait(c: Caller, request: DiskRequest): StepResult {
  const late = c.load(BDA.ticks, 4) > request.get('deadline');
  return late && request.get('step') !== STEP.issue ? { end: DISK_ERROR.timeout } : WAIT;
}
