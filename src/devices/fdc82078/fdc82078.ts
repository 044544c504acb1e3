import { requireVersion } from '../../base/state-version.ts';
import type { HostTicket, HostWork } from '../../machine/host-work.ts';
import type { Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';
import type { IsaDmaChannel } from '../../machine/isa-dma.ts';
import { type Command, commandOf } from './commands.ts';
import type { FloppyDrive } from './floppy-drive.ts';
import { configure, POWER_ON, RESET_SETTINGS } from './settings.ts';
import { FDC_VERSION, type FdcState, type Transfer } from './state.ts';
import { ST0, ST1, ST2 } from './status.ts';

/** Registers (82078 data sheet, section 2), in the model for an AT: there are no status registers A and B. */
const REG = { dor: 2, tdr: 3, msr: 4, fifo: 5, dir: 7 } as const;

const DOR_DRIVE = 0x03;
const DOR_NOT_RESET = 0x04;
const DOR_DMA_GATE = 0x08;
const DSR_RESET = 0x80;
const RATE = 0x03;
const DIR_CHANGED = 0x80;
const MSR = { rqm: 0x80, dio: 0x40, ndm: 0x20, busy: 0x10 } as const;

const SECTOR_BYTES = 512;
const SIZE_CODE = 2;
const ID_BYTES = 4;
const NON_DMA = 0x01;
const IMPLIED_SEEK = 0x40;
const POLLING_DISABLED = 0x10;
const MULTI_TRACK = 0x80;
const HEAD_SELECT = 0x04;
const DRIVE_SELECT = 0x03;
const RELATIVE_IN = 0x40;
const DRIVES = 4;

/** What the controller is connected to. */
export interface FdcOptions {
  /** up to four drives */
  readonly drives: readonly FloppyDrive[];
  readonly irq: IrqLine;
  readonly dma: IsaDmaChannel;
  readonly hostWork: HostWork;
}

/**
 * The floppy disk controller of an AT (Intel 82078 data sheet). Disks turn and heads move in no time. Sectors have 512
 * bytes and no deleted-data marks; SCAN commands and the chip's power-down modes are not there.
 */
export class Fdc82078 implements Device {
  readonly #drives: readonly FloppyDrive[];
  readonly #irq: IrqLine;
  readonly #dma: IsaDmaChannel;
  readonly #hostWork: HostWork;
  #dor = DOR_NOT_RESET | DOR_DMA_GATE;
  #tdr = 0;
  #rate = 2;
  #settings = POWER_ON;
  #command: number[] = [];
  #result: number[] = [];
  /** values of ST0 that SENSE INTERRUPT STATUS has to tell */
  #events: number[] = [];
  /** drives whose seek has not been sensed, a bit each */
  #seeking = 0;
  #interrupt = false;
  #transfer: Transfer | undefined;
  #ticket: HostTicket | undefined;

  constructor({ drives, irq, dma, hostWork }: FdcOptions) {
    this.#drives = drives;
    this.#irq = irq;
    this.#dma = dma;
    this.#hostWork = hostWork;
    dma.onReady(() => this.#pump());
  }

  read(offset: number, _size: number): number {
    if (offset === REG.dor) return this.#dor;
    if (offset === REG.tdr) return this.#tdr;
    if (offset === REG.msr) return this.#msr();
    if (offset === REG.fifo) return this.#readFifo();
    if (offset === REG.dir) return this.#drives[this.#dor & DOR_DRIVE]?.changed ? DIR_CHANGED : 0;
    return 0xff;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset === REG.dor) this.#writeDor(value);
    else if (offset === REG.tdr) this.#tdr = value & RATE;
    else if (offset === REG.msr) this.#writeDsr(value);
    else if (offset === REG.fifo) this.#writeFifo(value);
    else if (offset === REG.dir) this.#rate = value & RATE;
  }

  save(): FdcState {
    const transfer = this.#transfer;
    const isBeingRead =
      transfer?.deadlineNanos !== undefined && (transfer.kind === 'read' || transfer.kind === 'verify');
    return {
      version: FDC_VERSION,
      dor: this.#dor,
      tdr: this.#tdr,
      rate: this.#rate,
      settings: this.#settings,
      command: [...this.#command],
      result: [...this.#result],
      events: [...this.#events],
      seeking: this.#seeking,
      interrupt: this.#interrupt,
      transfer: transfer ? { ...transfer, chunk: isBeingRead ? new Uint8Array(0) : transfer.chunk.slice() } : null,
      drives: this.#drives.map((drive) => drive.save()),
    };
  }

  /** A request that was in flight is made again. */
  restore(state: DeviceState): void {
    requireVersion('Fdc82078', state.version, FDC_VERSION);
    const saved = state as FdcState;
    this.#forget();
    this.#dor = saved.dor;
    this.#tdr = saved.tdr;
    this.#rate = saved.rate;
    this.#settings = saved.settings;
    this.#command = [...saved.command];
    this.#result = [...saved.result];
    this.#events = [...saved.events];
    this.#seeking = saved.seeking;
    for (const [n, drive] of this.#drives.entries()) drive.restore(saved.drives[n]);
    this.#setInterrupt(saved.interrupt);
    if (!saved.transfer) return;
    this.#transfer = { ...saved.transfer, chunk: saved.transfer.chunk.slice() };
    if (saved.transfer.deadlineNanos === undefined) this.#pump();
    else this.#request(this.#transfer, saved.transfer.deadlineNanos);
  }

  #forget(): void {
    this.#ticket?.cancel();
    this.#ticket = undefined;
    this.#transfer = undefined;
  }

  get #usesDma(): boolean {
    return !(this.#settings.specify[1] & NON_DMA);
  }

  #msr(): number {
    if (!(this.#dor & DOR_NOT_RESET)) return 0;
    if (this.#result.length > 0) return MSR.rqm | MSR.dio | MSR.busy | this.#seeking;
    const transfer = this.#transfer;
    if (!transfer) return MSR.rqm | (this.#command.length > 0 ? MSR.busy : 0) | this.#seeking;
    if (this.#usesDma) return MSR.busy;
    const direction = transfer.kind === 'read' ? MSR.dio : 0;
    return MSR.busy | MSR.ndm | (transfer.deadlineNanos === undefined ? MSR.rqm | direction : 0);
  }

  #writeDor(value: number): void {
    const wasReset = !(this.#dor & DOR_NOT_RESET);
    this.#dor = value;
    if (!(value & DOR_NOT_RESET)) this.#reset();
    else if (wasReset) this.#comeOutOfReset();
    this.#setInterrupt(this.#interrupt);
  }

  #writeDsr(value: number): void {
    this.#rate = value & RATE;
    if (!(value & DSR_RESET)) return;
    this.#reset();
    this.#comeOutOfReset();
  }

  #reset(): void {
    this.#forget();
    this.#command = [];
    this.#result = [];
    this.#events = [];
    this.#seeking = 0;
    this.#setInterrupt(false);
    if (this.#settings.locked) return;
    this.#settings = { ...this.#settings, ...RESET_SETTINGS };
  }

  /** With polling, a reset looks like a change of readiness of all four drives. */
  #comeOutOfReset(): void {
    if (this.#settings.configuration & POLLING_DISABLED) return;
    this.#events = Array.from({ length: DRIVES }, (_, drive) => ST0.polling | drive);
    this.#setInterrupt(true);
  }

  #setInterrupt(asserted: boolean): void {
    this.#interrupt = asserted;
    this.#irq.set(asserted && (this.#dor & DOR_DMA_GATE) !== 0);
  }

  #readFifo(): number {
    if (this.#result.length > 0) {
      this.#setInterrupt(false);
      return this.#result.shift() ?? 0;
    }
    const transfer = this.#fifoTransfer('read');
    if (!transfer) return 0;
    const byte = transfer.chunk[transfer.moved++];
    this.#fifoMoved(transfer);
    return byte;
  }

  #writeFifo(value: number): void {
    if (!(this.#dor & DOR_NOT_RESET) || this.#result.length > 0) return;
    if (this.#transfer) {
      const transfer = this.#fifoTransfer('write') ?? this.#fifoTransfer('format');
      if (!transfer) return;
      transfer.chunk[transfer.moved++] = value;
      this.#fifoMoved(transfer);
      return;
    }
    this.#command.push(value);
    const command = commandOf(this.#command[0]);
    if (this.#command.length <= command.parameters) return;
    const bytes = this.#command;
    this.#command = [];
    this.#execute(command, bytes);
  }

  /** The transfer that the processor moves through the FIFO now. */
  #fifoTransfer(kind: Transfer['kind']): Transfer | undefined {
    const transfer = this.#transfer;
    const waits = transfer?.kind === kind && transfer.deadlineNanos === undefined && !this.#usesDma;
    return waits && transfer.moved < transfer.chunk.length ? transfer : undefined;
  }

  #fifoMoved(transfer: Transfer): void {
    this.#setInterrupt(false);
    if (transfer.moved === transfer.chunk.length) this.#chunkMoved(transfer);
    else this.#setInterrupt(true);
  }

  #execute(command: Command, bytes: readonly number[]): void {
    switch (command.name) {
      case 'read':
      case 'write':
      case 'verify':
        this.#startTransfer(command.name, command, bytes);
        break;
      case 'format':
        this.#startFormat(bytes);
        break;
      case 'readId':
        this.#readId(bytes[1]);
        break;
      case 'recalibrate':
        this.#seek(bytes[1] & DRIVE_SELECT, 0, bytes[1] & DRIVE_SELECT);
        break;
      case 'seek':
        this.#seek(bytes[1] & DRIVE_SELECT, bytes[2], bytes[1] & (DRIVE_SELECT | HEAD_SELECT));
        break;
      case 'relativeSeek':
        this.#relativeSeek(bytes);
        break;
      case 'senseInterrupt':
        this.#senseInterrupt();
        break;
      default:
        this.#configure(command, bytes);
    }
  }

  #configure({ name }: Command, bytes: readonly number[]): void {
    const { settings, result } = configure(name, bytes, this.#settings, this.#drives);
    this.#settings = settings;
    this.#result = [...result];
  }

  /** Moves a head; a drive that is not there never finds track 0. */
  #seek(number: number, cylinder: number, select: number): void {
    const drive = this.#drives[number];
    drive?.seek(cylinder);
    const missed = !drive && cylinder === 0 ? ST0.abnormal | ST0.equipmentCheck : 0;
    this.#events = [
      ...this.#events.filter((event) => (event & DRIVE_SELECT) !== number),
      ST0.seekEnd | missed | select,
    ];
    this.#seeking |= 1 << number;
    this.#setInterrupt(true);
  }

  #relativeSeek([first, select, steps]: readonly number[]): void {
    const number = select & DRIVE_SELECT;
    const from = this.#drives[number]?.cylinder ?? 0;
    this.#seek(
      number,
      Math.max(0, from + (first & RELATIVE_IN ? steps : -steps)),
      select & (DRIVE_SELECT | HEAD_SELECT),
    );
  }

  #senseInterrupt(): void {
    const status = this.#events.shift();
    this.#setInterrupt(false);
    if (status === undefined) this.#result = [ST0.invalid];
    else {
      const number = status & DRIVE_SELECT;
      this.#seeking &= ~(1 << number);
      this.#result = [status, this.#drives[number]?.cylinder ?? 0];
    }
  }

  #readId(select: number): void {
    const drive = this.#drives[select & DRIVE_SELECT];
    const head = select & HEAD_SELECT ? 1 : 0;
    const readable = drive && this.#readable(drive, head);
    if (!drive || !readable) this.#finish(select, ST0.abnormal, ST1.missingMark, 0, [drive?.cylinder ?? 0, head, 1]);
    else this.#finish(select, 0, 0, 0, [drive.cylinder, head, drive.nextSector()]);
  }

  /** Whether there is a track under a head that the data rate can read. */
  #readable({ format, cylinder }: FloppyDrive, head: number): boolean {
    return (
      format !== undefined && head < format.heads && cylinder < format.cylinders && format.rates.includes(this.#rate)
    );
  }

  #startTransfer(kind: 'read' | 'write' | 'verify', command: Command, bytes: readonly number[]): void {
    const [first, select, cylinder, head, r, , eot] = bytes;
    const [drive, sector] = [select & DRIVE_SELECT, command.wholeTrack ? 1 : r];
    this.#settings = { ...this.#settings, lastCount: eot };
    if (this.#settings.configuration & IMPLIED_SEEK) this.#drives[drive]?.seek(cylinder);
    const transfer: Transfer = {
      ...emptyTransfer(kind, drive),
      multiTrack: (first & MULTI_TRACK) !== 0,
      deleted: command.deleted,
      eot,
      cylinder,
      head,
      sector,
    };
    const [st1, st2] = this.#obstacle(transfer, (select & HEAD_SELECT) >> 2, bytes[5]);
    if (st1 !== 0) this.#end(transfer, ST0.abnormal, st1, st2);
    else this.#nextChunk(transfer);
  }

  /** What keeps a transfer from beginning, as ST1 and ST2; zeros when nothing does. */
  #obstacle(
    { kind, drive, cylinder, head, sector }: Transfer,
    selectedHead: number,
    sizeCode: number,
  ): [number, number] {
    const at = this.#drives[drive];
    if (!at || !this.#readable(at, selectedHead)) return [ST1.missingMark, 0];
    if (kind === 'write' && at.medium?.readOnly) return [ST1.notWritable, 0];
    if (cylinder !== at.cylinder) return [ST1.noData, ST2.wrongCylinder];
    const found = head === selectedHead && sector >= 1 && sector <= (at.format?.sectors ?? 0) && sizeCode === SIZE_CODE;
    return found ? [0, 0] : [ST1.noData, 0];
  }

  /** Begins with the sectors up to the end of the track, or of what was asked. */
  #nextChunk(transfer: Transfer): void {
    const last = Math.max(transfer.sector, Math.min(transfer.eot, this.#drives[transfer.drive]?.format?.sectors ?? 0));
    transfer.chunk = new Uint8Array((last - transfer.sector + 1) * SECTOR_BYTES);
    transfer.moved = 0;
    this.#transfer = transfer;
    if (transfer.kind === 'write') this.#awaitHost();
    else this.#request(transfer);
  }

  #startFormat([, select, , count, , filler]: readonly number[]): void {
    const number = select & DRIVE_SELECT;
    const drive = this.#drives[number];
    const head = (select & HEAD_SELECT) >> 2;
    const cylinder = drive?.cylinder ?? 0;
    const transfer: Transfer = { ...emptyTransfer('format', number), filler, cylinder, head, eot: count };
    this.#settings = { ...this.#settings, lastCount: count };
    if (!drive || !this.#readable(drive, head)) this.#end(transfer, ST0.abnormal, ST1.missingMark, 0);
    else if (drive.medium?.readOnly) this.#end(transfer, ST0.abnormal, ST1.notWritable, 0);
    else if (count === 0) this.#end(transfer, 0, 0, 0);
    else {
      transfer.chunk = new Uint8Array(count * ID_BYTES);
      this.#transfer = transfer;
      this.#awaitHost();
    }
  }

  /** Lets the host move the chunk: by DMA, or by the processor, which an interrupt tells. */
  #awaitHost(): void {
    if (this.#usesDma) this.#pump();
    else this.#setInterrupt(true);
  }

  #pump(): void {
    const transfer = this.#transfer;
    const waits = transfer !== undefined && transfer.deadlineNanos === undefined && this.#usesDma;
    if (waits && this.#dma.ready) this.#hostWork.access(() => this.#moveDma());
  }

  #moveDma(): void {
    const transfer = this.#transfer;
    if (!transfer || transfer.deadlineNanos !== undefined || !this.#usesDma) return;
    const data = transfer.chunk.subarray(transfer.moved);
    const { moved, tc } = this.#dma.move(transfer.kind === 'read' ? 'toMemory' : 'fromMemory', data);
    transfer.moved += moved;
    transfer.terminated ||= tc;
    if (tc || transfer.moved === transfer.chunk.length) this.#chunkMoved(transfer);
  }

  /** The host has moved the chunk, or as much of it as it wants. */
  #chunkMoved(transfer: Transfer): void {
    if (transfer.kind === 'read') this.#chunkDone(transfer);
    else if (transfer.kind === 'write') this.#request(transfer);
    else this.#formatNext(transfer);
  }

  /** Asks the medium for the chunk, or writes it: whole sectors, of which the last may be filled up. */
  #request(transfer: Transfer, deadlineNanos?: bigint): void {
    const { medium, format } = this.#drives[transfer.drive] ?? {};
    if (!medium || !format) {
      this.#end(transfer, ST0.abnormal, ST1.missingMark, 0);
      return;
    }
    const formatting = transfer.kind === 'format';
    const sector = formatting ? transfer.chunk[(transfer.formatted - 1) * ID_BYTES + 2] : transfer.sector;
    const offset = ((transfer.cylinder * format.heads + transfer.head) * format.sectors + sector - 1) * SECTOR_BYTES;
    const ended = (ok: boolean) => this.#requestEnded(transfer, ok);
    if (formatting || transfer.kind === 'write') {
      const sectors = Math.ceil(transfer.moved / SECTOR_BYTES);
      const source = formatting
        ? new Uint8Array(SECTOR_BYTES).fill(transfer.filler)
        : transfer.chunk.subarray(0, sectors * SECTOR_BYTES);
      this.#ticket = medium.submit({ kind: 'write', offset, source }, ended, deadlineNanos);
    } else {
      if (transfer.chunk.length === 0) transfer.chunk = this.#emptyChunk(transfer);
      this.#ticket = medium.submit({ kind: 'read', offset, target: transfer.chunk }, ended, deadlineNanos);
    }
    transfer.deadlineNanos = this.#ticket.deadlineNanos;
  }

  /** Room for a chunk that was being read when the state was saved. */
  #emptyChunk({ sector, eot, drive }: Transfer): Uint8Array {
    const last = Math.max(sector, Math.min(eot, this.#drives[drive]?.format?.sectors ?? 0));
    return new Uint8Array((last - sector + 1) * SECTOR_BYTES);
  }

  #requestEnded(transfer: Transfer, ok: boolean): void {
    transfer.deadlineNanos = undefined;
    this.#ticket = undefined;
    if (!ok) this.#end(transfer, ST0.abnormal, ST1.dataError, ST2.dataError);
    else if (transfer.kind === 'read') this.#awaitHost();
    else if (transfer.kind === 'format') this.#formatNext(transfer);
    else {
      if (transfer.kind === 'verify') transfer.moved = transfer.chunk.length;
      this.#chunkDone(transfer);
    }
  }

  /** Writes the next sector of the list of identities that lies on the track. */
  #formatNext(transfer: Transfer): void {
    const format = this.#drives[transfer.drive]?.format;
    while (transfer.formatted < transfer.eot) {
      const [cylinder, head, sector, size] = transfer.chunk.subarray(transfer.formatted * ID_BYTES);
      transfer.formatted++;
      const fits = cylinder === transfer.cylinder && head === transfer.head && size === SIZE_CODE;
      if (fits && sector >= 1 && sector <= (format?.sectors ?? 0)) {
        this.#request(transfer);
        return;
      }
    }
    this.#end(transfer, 0, 0, 0);
  }

  /** Goes on behind a chunk: to the second head, or to the end. Without TC it ends as an error. */
  #chunkDone(transfer: Transfer): void {
    const format = this.#drives[transfer.drive]?.format;
    transfer.sector += Math.ceil(transfer.moved / SECTOR_BYTES);
    const beyond = transfer.sector > transfer.eot || transfer.sector > (format?.sectors ?? 0);
    const otherHead = transfer.multiTrack && transfer.head === 0 && format?.heads === 2;
    if (beyond && otherHead) {
      transfer.head = 1;
      transfer.sector = 1;
    }
    const st2 = transfer.deleted ? ST2.controlMark : 0;
    if (transfer.terminated) this.#end(transfer, 0, 0, st2, beyond && !otherHead);
    else if (!beyond || otherHead) this.#nextChunk(transfer);
    else if (transfer.kind === 'verify') this.#end(transfer, 0, 0, st2, true);
    else this.#end(transfer, ST0.abnormal, transfer.sector > transfer.eot ? ST1.endOfCylinder : ST1.noData, st2, true);
  }

  /** Ends a transfer with the identity of the sector behind it. */
  #end(transfer: Transfer, st0: number, st1: number, st2: number, nextCylinder: boolean = false): void {
    const { drive, cylinder, head, sector } = transfer;
    const id = nextCylinder ? [cylinder + 1, transfer.multiTrack ? 0 : head, 1] : [cylinder, head, sector];
    this.#finish(drive | (head ? HEAD_SELECT : 0), st0, st1, st2, id);
  }

  #finish(select: number, st0: number, st1: number, st2: number, id: readonly number[]): void {
    this.#transfer = undefined;
    const status = st0 | (select & (ST0.head | DRIVE_SELECT));
    this.#result = [status, st1, st2, ...id.map((byte) => byte & 0xff), SIZE_CODE];
    this.#setInterrupt(true);
  }
}

function emptyTransfer(kind: Transfer['kind'], drive: number): Transfer {
  const place = { cylinder: 0, head: 0, sector: 1, eot: 0, multiTrack: false, deleted: false, filler: 0 };
  const nothing = { chunk: new Uint8Array(0), moved: 0, terminated: false, formatted: 0, deadlineNanos: undefined };
  return { kind, drive, ...place, ...nothing };
}
