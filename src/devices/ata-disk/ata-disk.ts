import { requireVersion } from '../../base/state-version.ts';
import {
  ATA_DEVICE,
  ATA_ERROR,
  ATA_REG,
  ATA_STATUS,
  type AtaDrive,
  type AtaHost,
  type AtaTransfer,
  TaskFile,
} from '../../machine/ata.ts';
import type { Disk, DiskRequest } from '../../machine/disk-queue.ts';
import type { HostTicket } from '../../machine/host-work.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { type Command, commandOf } from './commands.ts';
import {
  cylindersOf,
  HEADS,
  type Identity,
  identify,
  MOST_MULTIPLE,
  MOST_TRIM_BLOCKS,
  SECTORS_PER_TRACK,
  type Settings,
} from './identify.ts';
import { runSmart } from './smart.ts';
import { ATA_DISK_VERSION, type AtaDiskState, type Job } from './state.ts';

const SECTOR_BYTES = 512;
/** Sectors that go to or come from the medium at once. */
const PIO_CHUNK_SECTORS = 128;
const DMA_CHUNK_SECTORS = 512;
/** What of a command is read at once at most, while the guest stands still. */
const MOST_SECTORS_AT_ONCE = 8192;
const READY = ATA_STATUS.drdy | ATA_STATUS.dsc;
const SIGNATURE = [1, 1, 0, 0] as const;
const POWER_ACTIVE = 0xff;
const MOST_SECTORS_PER_TRACK = 63;
const MOST_LBA28 = 0x0fffffff;
const FEATURE_TRIM = 0x01;
/** A range to discard: 48 bits of address, 16 of count. */
const TRIM_RANGE_BYTES = 8;
const TRIM_LBA_MASK = 0xffff_ffff_ffffn;
const TRIM_COUNT_SHIFT = 48n;

const FEATURE = { writeCacheOn: 0x02, transferMode: 0x03, writeCacheOff: 0x82 } as const;
/** Look-ahead and what a soft reset keeps: taken, and without effect here. */
const IGNORED_FEATURES = [0x55, 0x66, 0xaa, 0xcc];

const POWER_ON: Settings = {
  multiple: MOST_MULTIPLE,
  writeCache: true,
  smart: true,
  transferMode: 0x22,
  heads: HEADS,
  sectorsPerTrack: SECTORS_PER_TRACK,
};

/** What a disk is made of. */
export interface AtaDiskOptions {
  readonly disk: Disk;
  readonly serial: string;
  readonly sata: boolean;
}

/** An ATA hard disk (ATA/ATAPI-7 volume 1). Sectors have 512 bytes; what lies past the last whole one is not there. */
export class AtaDisk implements AtaDrive {
  readonly taskFile = new TaskFile();
  readonly #disk: Disk;
  readonly #identity: Identity;
  #host: AtaHost = { changed: () => {} };
  #settings: Settings = POWER_ON;
  #job: Job | undefined;
  #ticket: HostTicket | undefined;
  /** Holds what was read at once, until the host has it. */
  #buffer = new Uint8Array(0);

  constructor({ disk, serial, sata }: AtaDiskOptions) {
    this.#disk = disk;
    this.#identity = { sectors: Math.floor(disk.sizeBytes / SECTOR_BYTES), serial, sata };
    this.#sign();
  }

  /** The block of the running job that is to be moved. */
  get transfer(): AtaTransfer | undefined {
    const job = this.#job;
    if (!job || job.deadlineNanos !== undefined) return undefined;
    const data = job.chunk.subarray(job.moved, job.moved + job.blockBytes);
    return { direction: job.kind === 'read' || job.kind === 'send' ? 'toHost' : 'fromHost', dma: job.dma, data };
  }

  connect(host: AtaHost): void {
    this.#host = host;
  }

  execute(code: number): void {
    if (this.#job?.deadlineNanos !== undefined) return;
    this.#job = undefined;
    this.taskFile.error = 0;
    const command = commandOf(code);
    if (command) this.#perform(command);
    else this.#fail(ATA_ERROR.abrt);
  }

  transferred(): void {
    const job = this.#job;
    if (!job || job.deadlineNanos !== undefined) return;
    job.moved += job.blockBytes;
    if (job.moved < job.chunk.length) this.#offerBlock(job, true);
    else this.#chunkMoved(job);
  }

  reset(): void {
    this.#forget();
    const { writeCache, smart, transferMode } = this.#settings;
    this.#settings = { ...POWER_ON, writeCache, smart, transferMode };
    this.#sign();
  }

  save(): AtaDiskState {
    const job = this.#job;
    return {
      version: ATA_DISK_VERSION,
      taskFile: this.taskFile.save(),
      settings: this.#settings,
      job: job ? { ...job, chunk: isBeingRead(job) ? new Uint8Array(0) : job.chunk.slice() } : null,
    };
  }

  /** A request that was in flight is made again. */
  restore(state: DeviceState): void {
    requireVersion('AtaDisk', state.version, ATA_DISK_VERSION);
    const { taskFile, settings, job } = state as AtaDiskState;
    this.#forget();
    this.taskFile.restore(taskFile);
    this.#settings = settings;
    if (!job) return;
    this.#job = { ...job, chunk: job.chunk.slice() };
    if (job.deadlineNanos !== undefined) this.#request(this.#job, job.deadlineNanos);
  }

  #forget(): void {
    this.#ticket?.cancel();
    this.#ticket = undefined;
    this.#job = undefined;
  }

  #sign(): void {
    this.taskFile.sign(SIGNATURE, READY);
  }

  #perform(command: Command): void {
    const { action } = command;
    if (action === 'read' || action === 'write' || action === 'verify') this.#moveSectors(action, command);
    else if (action === 'trim') this.#trim();
    else if (action === 'flush') this.#begin(emptyJob('flush'));
    else if (action === 'identify') this.#send(identify(this.#identity, this.#settings));
    else if (action === 'smart') this.#smart();
    else if (action === 'diagnose') {
      this.#sign();
      this.#host.changed(true);
    } else this.#configure(command);
  }

  /** The commands that only change or tell settings. */
  #configure({ action, ext }: Command): void {
    const { current } = this.taskFile;
    const count = current[ATA_REG.count];
    if (action === 'geometry') this.#setGeometry(count, (current[ATA_REG.device] & 0x0f) + 1);
    else if (action === 'multiple') this.#setMultiple(count);
    else if (action === 'features') this.#setFeatures(current[ATA_REG.features], count);
    else if (action === 'nativeMax') this.#tellNativeMax(ext);
    else {
      if (action === 'power') current[ATA_REG.count] = POWER_ACTIVE;
      this.#succeed();
    }
  }

  #moveSectors(kind: 'read' | 'write' | 'verify', { ext, dma, multiple, fua }: Command): void {
    const { taskFile } = this;
    const count = taskFile.current[ATA_REG.count] + (ext ? taskFile.previous[ATA_REG.count] * 0x100 : 0);
    const sectors = count || (ext ? 0x10000 : 0x100);
    const lba = this.#address(ext);
    const impossible = (multiple && this.#settings.multiple === 0) || (kind === 'write' && this.#disk.readOnly);
    if (impossible || lba === undefined || lba + sectors > this.#identity.sectors) {
      this.#fail(impossible ? ATA_ERROR.abrt : ATA_ERROR.idnf);
      return;
    }
    const blockSectors = dma ? DMA_CHUNK_SECTORS : multiple ? this.#settings.multiple : 1;
    const flushes = kind === 'write' && (fua || !this.#settings.writeCache);
    const blockBytes = blockSectors * SECTOR_BYTES;
    this.#begin({ ...emptyJob(kind), dma, blockBytes, flushes, lba, sectors });
  }

  /** The first sector that the task file names; undefined for one that no geometry has. */
  #address(ext: boolean): number | undefined {
    const { taskFile } = this;
    if (ext) return taskFile.lba48;
    const device = taskFile.current[ATA_REG.device];
    if (device & ATA_DEVICE.lba) return taskFile.lba28;
    const { heads, sectorsPerTrack } = this.#settings;
    const [head, sector] = [device & 0x0f, taskFile.current[ATA_REG.lbaLow]];
    const cylinder = taskFile.current[ATA_REG.lbaHigh] * 0x100 + taskFile.current[ATA_REG.lbaMid];
    if (sector === 0 || sector > sectorsPerTrack || head >= heads) return undefined;
    return (cylinder * heads + head) * sectorsPerTrack + sector - 1;
  }

  /** Begins the next chunk of a job: asks the medium, or the host for data. */
  #begin(job: Job, interrupt: boolean = false): void {
    this.#job = job;
    job.moved = 0;
    if (job.kind === 'write') {
      job.chunk = new Uint8Array(chunkSectors(job) * SECTOR_BYTES);
      this.#offerBlock(job, interrupt);
    } else if (this.#readNow(job)) {
      advance(job);
      this.#offerBlock(job, true);
    } else this.#request(job);
  }

  /** Reads a chunk where that can be done without waiting. Drivers that move the data themselves may not expect to be
   * interrupted by the very access that gives the command: they wait. */
  #readNow(job: Job): boolean {
    if (job.kind !== 'read' || !job.dma || job.sectors > MOST_SECTORS_AT_ONCE) return false;
    if (this.#buffer.length === 0) this.#buffer = new Uint8Array(DMA_CHUNK_SECTORS * SECTOR_BYTES);
    job.chunk = this.#buffer.subarray(0, chunkSectors(job) * SECTOR_BYTES);
    return this.#disk.readNow(job.lba * SECTOR_BYTES, [job.chunk]);
  }

  #offerBlock(job: Job, interrupt: boolean): void {
    this.taskFile.status = READY | ATA_STATUS.drq;
    this.#host.changed(interrupt && !job.dma);
  }

  #chunkMoved(job: Job): void {
    if (job.kind === 'trim') this.#discardNext(job);
    else if (job.kind === 'write') this.#request(job);
    else if (job.sectors > 0) this.#begin(job);
    else {
      this.#job = undefined;
      this.taskFile.status = READY;
      this.#host.changed(job.dma);
    }
  }

  /** Asks the medium for what the job needs next. */
  #request(job: Job, deadlineNanos?: bigint): void {
    const request = this.#requestOf(job);
    this.taskFile.status = ATA_STATUS.bsy | READY;
    this.#ticket = this.#disk.submit(request, (ok) => this.#requestEnded(job, ok), deadlineNanos);
    job.deadlineNanos = this.#ticket.deadlineNanos;
    this.#host.changed(false);
  }

  #requestOf(job: Job): DiskRequest {
    const offset = job.lba * SECTOR_BYTES;
    switch (job.kind) {
      case 'read':
      case 'verify':
        job.chunk = new Uint8Array(chunkSectors(job) * SECTOR_BYTES);
        return { kind: 'read', offset, target: job.chunk };
      case 'write':
        return { kind: 'write', offset, source: job.chunk };
      case 'trim':
        return { kind: 'discard', offset, length: job.sectors * SECTOR_BYTES };
      default:
        return { kind: 'flush' };
    }
  }

  #requestEnded(job: Job, ok: boolean): void {
    job.deadlineNanos = undefined;
    this.#ticket = undefined;
    if (!ok) {
      this.#failAt(job);
      return;
    }
    if (job.kind === 'trim') {
      this.#discardNext(job);
      return;
    }
    advance(job);
    if (job.kind === 'read') this.#offerBlock(job, true);
    else if (job.sectors > 0) this.#begin(job, true);
    else if (job.flushes) this.#begin({ ...emptyJob('flush'), dma: job.dma });
    else this.#succeed();
  }

  /** Takes ranges from the host, 512 bytes at a time, to discard them (ACS-2 section 7.10). */
  #trim(): void {
    const { current, previous } = this.taskFile;
    const blocks = previous[ATA_REG.count] * 0x100 + current[ATA_REG.count];
    const isTrim = (current[ATA_REG.features] & FEATURE_TRIM) !== 0;
    if (!isTrim || blocks === 0 || blocks > MOST_TRIM_BLOCKS || this.#disk.readOnly) {
      this.#fail(ATA_ERROR.abrt);
      return;
    }
    const length = blocks * SECTOR_BYTES;
    this.#job = { ...emptyJob('trim'), dma: true, blockBytes: length, chunk: new Uint8Array(length) };
    this.#offerBlock(this.#job, false);
  }

  /** Discards the next range of the list in the buffer that is not empty. */
  #discardNext(job: Job): void {
    const view = new DataView(job.chunk.buffer, job.chunk.byteOffset, job.chunk.length);
    while (job.ranges < job.chunk.length / TRIM_RANGE_BYTES) {
      const range = view.getBigUint64(job.ranges * TRIM_RANGE_BYTES, true);
      job.ranges++;
      job.lba = Number(range & TRIM_LBA_MASK);
      job.sectors = Number(range >> TRIM_COUNT_SHIFT);
      if (job.lba + job.sectors > this.#identity.sectors) {
        this.#failAt(job);
        return;
      }
      if (job.sectors > 0) {
        this.#request(job);
        return;
      }
    }
    this.#succeed();
  }

  /** Sends bytes of the drive's own. */
  #send(chunk: Uint8Array): void {
    this.#job = { ...emptyJob('send'), chunk };
    this.#offerBlock(this.#job, true);
  }

  #smart(): void {
    const answer = runSmart(this.taskFile, this.#settings.smart);
    if (answer === undefined) {
      this.#fail(ATA_ERROR.abrt);
      return;
    }
    if (answer instanceof Uint8Array) {
      this.#send(answer);
      return;
    }
    this.#settings = { ...this.#settings, smart: answer };
    this.#succeed();
  }

  #setGeometry(sectorsPerTrack: number, heads: number): void {
    const cylinders = cylindersOf(this.#identity.sectors, heads, sectorsPerTrack);
    if (sectorsPerTrack === 0 || sectorsPerTrack > MOST_SECTORS_PER_TRACK || cylinders === 0) {
      this.#fail(ATA_ERROR.abrt);
      return;
    }
    this.#settings = { ...this.#settings, heads, sectorsPerTrack };
    this.#succeed();
  }

  #setMultiple(multiple: number): void {
    if (multiple > MOST_MULTIPLE || (multiple & (multiple - 1)) !== 0) {
      this.#fail(ATA_ERROR.abrt);
      return;
    }
    this.#settings = { ...this.#settings, multiple };
    this.#succeed();
  }

  #setFeatures(feature: number, value: number): void {
    if (feature === FEATURE.writeCacheOff) {
      this.#settings = { ...this.#settings, writeCache: false };
      this.#begin(emptyJob('flush'));
      return;
    }
    if (feature === FEATURE.transferMode) this.#settings = { ...this.#settings, transferMode: value };
    else if (feature === FEATURE.writeCacheOn) this.#settings = { ...this.#settings, writeCache: true };
    else if (!IGNORED_FEATURES.includes(feature)) {
      this.#fail(ATA_ERROR.abrt);
      return;
    }
    this.#succeed();
  }

  #tellNativeMax(ext: boolean): void {
    const { taskFile } = this;
    const last = this.#identity.sectors - 1;
    if (ext) taskFile.lba48 = last;
    else {
      const lba = Math.min(last, MOST_LBA28);
      taskFile.lba48 = lba % 0x1000000;
      const device = taskFile.current[ATA_REG.device] & 0xf0;
      taskFile.current[ATA_REG.device] = device | (lba >>> 24);
    }
    this.#succeed();
  }

  #succeed(): void {
    this.#job = undefined;
    this.taskFile.status = READY;
    this.#host.changed(true);
  }

  #fail(error: number): void {
    this.#job = undefined;
    this.taskFile.error = error;
    this.taskFile.status = READY | ATA_STATUS.err;
    this.#host.changed(true);
  }

  /** The medium failed: the task file says where the request began. */
  #failAt(job: Job): void {
    if (job.kind !== 'flush') {
      this.taskFile.lba48 = job.lba % 2 ** 48;
      this.#fail(job.kind === 'read' || job.kind === 'verify' ? ATA_ERROR.unc : ATA_ERROR.abrt);
    } else this.#fail(ATA_ERROR.abrt);
  }
}

function emptyJob(kind: Job['kind']): Job {
  const chunk = new Uint8Array(0);
  const nothing = {
    dma: false,
    flushes: false,
    lba: 0,
    sectors: 0,
    chunk,
    moved: 0,
    ranges: 0,
    deadlineNanos: undefined,
  };
  return { kind, blockBytes: SECTOR_BYTES, ...nothing };
}

function chunkSectors({ dma, sectors }: Job): number {
  return Math.min(sectors, dma ? DMA_CHUNK_SECTORS : PIO_CHUNK_SECTORS);
}

/** Goes on behind the chunk that was moved. */
function advance(job: Job): void {
  const moved = chunkSectors(job);
  job.lba += moved;
  job.sectors -= moved;
}

/** Whether the job waits for data from the medium, which is not kept in a saved state. */
function isBeingRead({ kind, deadlineNanos }: Job): boolean {
  return (kind === 'read' || kind === 'verify') && deadlineNanos !== undefined;
}
