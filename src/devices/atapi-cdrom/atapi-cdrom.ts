import { requireVersion } from '../../base/state-version.ts';
import {
  ATA_ERROR,
  ATA_REG,
  ATA_STATUS,
  type AtaDrive,
  type AtaHost,
  type AtaTransfer,
  TaskFile,
} from '../../machine/ata.ts';
import type { Disk } from '../../machine/disk-queue.ts';
import type { HostTicket } from '../../machine/host-work.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { SENSE, type Sense } from '../../machine/scsi.ts';
import { COMMAND, DONE_COMMANDS } from './commands.ts';
import { MmcDrive } from './mmc-drive.ts';
import { CD_SECTOR_BYTES, identifyPacket, RAW_SECTOR_BYTES, rawSector } from './replies.ts';
import { ATAPI_CDROM_VERSION, type AtapiCdromState, type Job } from './state.ts';

const SIGNATURE = [1, 1, 0x14, 0xeb] as const;
const POWER_ACTIVE = 0xff;
const PACKET_BYTES = 12;
const MOST_PIO_BYTES = 0xfffe;
const CHUNK_SECTORS = 64;
const SET_TRANSFER_MODE = 0x03;
const FIRST_TRANSFER_MODE = 0x22;
const FEATURE_DMA = 0x01;
/** Interrupt reason, in the sector count register. */
const REASON = { command: 1, toHost: 2, status: 3 } as const;
/** What a drive is made of. */
export interface AtapiCdromOptions {
  /** the medium at power-on */
  readonly medium: Disk | undefined;
  readonly serial: string;
}

/** A CD and DVD drive that takes SCSI commands in packets (ATA/ATAPI-7, MMC-5). Media have one data track. */
export class AtapiCdrom implements AtaDrive {
  readonly taskFile = new TaskFile();
  readonly #serial: string;
  readonly #drive: MmcDrive;
  #host: AtaHost = { changed: () => {} };
  #ticket: HostTicket | undefined;
  #job: Job | undefined;
  #transferMode = FIRST_TRANSFER_MODE;

  constructor({ medium, serial }: AtapiCdromOptions) {
    this.#drive = new MmcDrive(medium);
    this.#serial = serial;
    this.#sign();
  }

  /** Whether the guest forbids that the medium is taken out. */
  get locked(): boolean {
    return this.#drive.locked;
  }

  get trayOpen(): boolean {
    return this.#drive.trayOpen;
  }

  get transfer(): AtaTransfer | undefined {
    const job = this.#job;
    if (!job || job.deadlineNanos !== undefined) return undefined;
    const data = job.chunk.subarray(job.moved, job.moved + blockBytes(job));
    return { direction: job.kind === 'packet' ? 'fromHost' : 'toHost', dma: job.dma && job.kind !== 'packet', data };
  }

  connect(host: AtaHost): void {
    this.#host = host;
  }

  /** Puts a medium in and closes the tray, or takes it out. A read under way fails. */
  insert(medium: Disk | undefined): void {
    const wasReading = this.#job?.deadlineNanos !== undefined;
    this.#drive.insert(medium);
    if (!wasReading) return;
    this.#forget();
    this.#fail(this.#drive.notReady);
  }

  /** Tells the guest that someone wants the medium out: as the button does while the guest has locked the tray. */
  requestEject(): void {
    this.#drive.requestEject();
  }

  execute(command: number): void {
    if (command === COMMAND.deviceReset) {
      this.reset();
      this.#host.changed(false);
    } else if (this.#job?.deadlineNanos === undefined) {
      this.#job = undefined;
      this.taskFile.error = 0;
      this.#perform(command);
    }
  }

  transferred(): void {
    const job = this.#job;
    if (!job || job.deadlineNanos !== undefined) return;
    if (job.kind === 'packet') {
      this.#executePacket(job, job.chunk);
      return;
    }
    job.moved += blockBytes(job);
    if (job.moved < job.chunk.length) this.#offerBlock(job);
    else if (job.sectors > 0) this.#readSectors(job);
    else this.#succeed();
  }

  reset(): void {
    this.#forget();
    this.#sign();
  }

  save(): AtapiCdromState {
    const job = this.#job;
    const isBeingRead = job?.deadlineNanos !== undefined;
    return {
      version: ATAPI_CDROM_VERSION,
      taskFile: this.taskFile.save(),
      transferMode: this.#transferMode,
      ...this.#drive.save(),
      job: job ? { ...job, chunk: isBeingRead ? new Uint8Array(0) : job.chunk.slice() } : null,
    };
  }

  /** A read that was in flight is made again. */
  restore(state: DeviceState): void {
    requireVersion('AtapiCdrom', state.version, ATAPI_CDROM_VERSION);
    const saved = state as AtapiCdromState;
    this.#forget();
    this.taskFile.restore(saved.taskFile);
    this.#transferMode = saved.transferMode;
    this.#drive.restore(saved);
    if (!saved.job) return;
    this.#job = { ...saved.job, chunk: saved.job.chunk.slice() };
    if (saved.job.deadlineNanos !== undefined) this.#readSectors(this.#job, saved.job.deadlineNanos);
  }

  #forget(): void {
    this.#ticket?.cancel();
    this.#ticket = undefined;
    this.#job = undefined;
  }

  #sign(): void {
    this.taskFile.sign(SIGNATURE, 0);
  }

  #perform(command: number): void {
    const { current } = this.taskFile;
    if (command === COMMAND.packet) this.#awaitPacket();
    else if (command === COMMAND.identifyPacket) this.#sendIdentification();
    else if (command === COMMAND.setFeatures && current[ATA_REG.features] === SET_TRANSFER_MODE) {
      this.#transferMode = current[ATA_REG.count];
      this.#finish();
    } else if (command === COMMAND.checkPower) {
      current[ATA_REG.count] = POWER_ACTIVE;
      this.#finish();
    } else if (DONE_COMMANDS.includes(command)) this.#finish();
    else if (command === COMMAND.diagnose) {
      this.#sign();
      this.#host.changed(true);
    } else {
      if (command === COMMAND.identify) this.#sign();
      this.taskFile.error = ATA_ERROR.abrt;
      this.taskFile.status = ATA_STATUS.drdy | ATA_STATUS.err;
      this.#host.changed(true);
    }
  }

  #finish(): void {
    this.taskFile.status = ATA_STATUS.drdy | ATA_STATUS.dsc;
    this.#host.changed(true);
  }

  #sendIdentification(): void {
    const chunk = identifyPacket(this.#serial, this.#transferMode);
    this.#job = { ...emptyJob('send'), limitBytes: chunk.length, chunk };
    this.taskFile.status = ATA_STATUS.drdy | ATA_STATUS.drq;
    this.#host.changed(true);
  }

  #awaitPacket(): void {
    const { current } = this.taskFile;
    const dma = (current[ATA_REG.features] & FEATURE_DMA) !== 0;
    const asked = current[ATA_REG.lbaMid] + current[ATA_REG.lbaHigh] * 0x100;
    const limitBytes = Math.min(asked || MOST_PIO_BYTES, MOST_PIO_BYTES) & ~1;
    this.#job = { ...emptyJob('packet'), dma, limitBytes: limitBytes || 2, chunk: new Uint8Array(PACKET_BYTES) };
    current[ATA_REG.count] = REASON.command;
    this.taskFile.status = ATA_STATUS.drdy | ATA_STATUS.drq;
    this.#host.changed(false);
  }

  #executePacket(job: Job, packet: Uint8Array): void {
    const outcome = this.#drive.execute(packet);
    if (outcome.kind === 'done') this.#succeed();
    else if (outcome.kind === 'data') this.#send(job, outcome.bytes);
    else if (outcome.kind === 'fail') this.#fail(outcome.sense);
    else this.#readSectors({ ...emptyJob('read'), ...pick(job), ...outcome });
  }

  /** Asks the medium for the job's next sectors. */
  #readSectors(job: Job, deadlineNanos?: bigint): void {
    this.#job = job;
    job.moved = 0;
    const { medium } = this.#drive;
    if (!medium) {
      this.#fail(this.#drive.notReady);
      return;
    }
    const target = new Uint8Array(Math.min(job.sectors, CHUNK_SECTORS) * CD_SECTOR_BYTES);
    this.taskFile.status = ATA_STATUS.bsy;
    const request = { kind: 'read', offset: job.lba * CD_SECTOR_BYTES, target } as const;
    this.#ticket = medium.submit(request, (ok) => this.#sectorsRead(job, target, ok), deadlineNanos);
    job.deadlineNanos = this.#ticket.deadlineNanos;
    this.#host.changed(false);
  }

  #sectorsRead(job: Job, data: Uint8Array, ok: boolean): void {
    job.deadlineNanos = undefined;
    this.#ticket = undefined;
    if (!ok) {
      this.#fail(SENSE.readError);
      return;
    }
    const sectors = data.length / CD_SECTOR_BYTES;
    job.chunk = job.raw ? rawSectors(job.lba, data) : data;
    job.lba += sectors;
    job.sectors -= sectors;
    this.#offerBlock(job);
  }

  /** Sends bytes of the drive's own; an odd last byte is followed by a zero. */
  #send(job: Job, bytes: Uint8Array): void {
    if (bytes.length === 0) {
      this.#succeed();
      return;
    }
    const chunk = new Uint8Array((bytes.length + 1) & ~1);
    chunk.set(bytes);
    this.#job = { ...emptyJob('send'), ...pick(job), chunk };
    this.#offerBlock(this.#job);
  }

  #offerBlock(job: Job): void {
    const bytes = blockBytes(job);
    const { current } = this.taskFile;
    current[ATA_REG.count] = REASON.toHost;
    current[ATA_REG.lbaMid] = bytes & 0xff;
    current[ATA_REG.lbaHigh] = bytes >> 8;
    this.taskFile.status = ATA_STATUS.drdy | ATA_STATUS.drq;
    this.#host.changed(!job.dma);
  }

  #succeed(): void {
    this.#job = undefined;
    this.#drive.ended(SENSE.none);
    this.taskFile.current[ATA_REG.count] = REASON.status;
    this.taskFile.error = 0;
    this.#finish();
  }

  #fail(sense: Sense): void {
    this.#job = undefined;
    this.#drive.ended(sense);
    this.taskFile.current[ATA_REG.count] = REASON.status;
    this.taskFile.error = (sense.key << 4) | ATA_ERROR.abrt;
    this.taskFile.status = ATA_STATUS.drdy | ATA_STATUS.err;
    this.#host.changed(true);
  }
}

function emptyJob(kind: Job['kind']): Job {
  const nothing = { lba: 0, sectors: 0, chunk: new Uint8Array(0), moved: 0, deadlineNanos: undefined };
  return { kind, dma: false, limitBytes: MOST_PIO_BYTES, raw: false, ...nothing };
}

/** How the host wants the data of a command. */
function pick({ dma, limitBytes }: Job): Pick<Job, 'dma' | 'limitBytes'> {
  return { dma, limitBytes };
}

/** Bytes of the job's next block. */
function blockBytes({ chunk, moved, dma, limitBytes }: Job): number {
  return dma ? chunk.length - moved : Math.min(chunk.length - moved, limitBytes);
}

function rawSectors(lba: number, data: Uint8Array): Uint8Array {
  const sectors = data.length / CD_SECTOR_BYTES;
  const raw = new Uint8Array(sectors * RAW_SECTOR_BYTES);
  for (let n = 0; n < sectors; n++) {
    const sector = data.subarray(n * CD_SECTOR_BYTES, (n + 1) * CD_SECTOR_BYTES);
    raw.set(rawSector(lba + n, sector), n * RAW_SECTOR_BYTES);
  }
  return raw;
}
