import { requireVersion } from '../../base/state-version.ts';
import type { Disk } from '../../machine/disk-queue.ts';
import type { HostTicket } from '../../machine/host-work.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import {
  type BlockRequest,
  MOST_DISCARD_SECTORS,
  MOST_SEGMENTS,
  MOST_ZERO_SECTORS,
  parseRequest,
  pieceAt,
  SECTOR_BYTES,
  STATUS,
} from './block-request.ts';
import type { Chain } from './chain.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

/** Feature bits (virtio 1.2 section 5.2.3). */
const F = {
  segmentMax: 1n << 2n,
  readOnly: 1n << 5n,
  blockSize: 1n << 6n,
  flush: 1n << 9n,
  configWce: 1n << 11n,
  discard: 1n << 13n,
  writeZeroes: 1n << 14n,
} as const;

/** Fields of the configuration (virtio 1.2 section 5.2.4). */
const CONFIG = {
  capacity: 0,
  segmentMax: 12,
  blockSize: 20,
  writeback: 32,
  maxDiscardSectors: 36,
  maxDiscardSegments: 40,
  discardAlignment: 44,
  maxZeroSectors: 48,
  maxZeroSegments: 52,
  zeroMayUnmap: 56,
  length: 60,
} as const;

const QUEUE_ENTRIES = 256;
const SERIAL_BYTES = 20;
/** Requests that the host works on at once. */
const MOST_RUNNING = 32;
const STATE_VERSION = 1;

/** A request on its way. */
interface Running {
  readonly chain: Chain;
  readonly request: BlockRequest;
  position: number;
  ticket?: HostTicket;
}

/** Where a request had come to when it was saved. */
interface SavedRequest {
  readonly head: number;
  readonly position: number;
  readonly deadlineNanos: bigint;
}

/** The block device (virtio 1.2 section 5.2), with discard, write-zeroes and a write cache the driver can turn off. */
export class VirtioBlock implements VirtioDevice {
  readonly type = VIRTIO_TYPE.block;
  readonly features: bigint;
  readonly queueSizes = [QUEUE_ENTRIES];
  readonly config = new Uint8Array(CONFIG.length);
  readonly #disk: Disk;
  readonly #serial: Uint8Array;
  #port: VirtioPort | undefined;
  readonly #running = new Set<Running>();
  /** Requests that a restored queue gives again. */
  #saved: SavedRequest[] = [];

  /** @param serial what the device says its serial number is: up to 20 ASCII characters */
  constructor(disk: Disk, serial: string) {
    this.#disk = disk;
    this.#serial = new Uint8Array(SERIAL_BYTES);
    this.#serial.set(new TextEncoder().encode(serial).subarray(0, SERIAL_BYTES));
    const changing = F.flush | F.configWce | F.discard | F.writeZeroes;
    this.features = F.segmentMax | F.blockSize | (disk.readOnly ? F.readOnly : changing);
    this.#describeDisk();
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(): void {
    const queue = this.#port?.queues[0];
    while (this.#running.size < MOST_RUNNING) {
      const chain = queue?.pop();
      if (!chain) return;
      const saved = this.#saved.find(({ head }) => head === chain.head);
      this.#saved = this.#saved.filter((other) => other !== saved);
      const running = { chain, request: parseRequest(chain, this.#disk), position: saved?.position ?? 0 };
      this.#running.add(running);
      this.#advance(running, saved?.deadlineNanos);
    }
  }

  configWritten(offset: number, size: number, value: number): void {
    if (offset === CONFIG.writeback && size === 1) this.config[CONFIG.writeback] = value & 1;
  }

  save(): DeviceState {
    const requests = [...this.#running].map(({ chain, position, ticket }) => ({
      head: chain.head,
      position,
      deadlineNanos: ticket?.deadlineNanos ?? 0n,
    }));
    return {
      version: STATE_VERSION,
      writeback: this.config[CONFIG.writeback],
      requests: [...requests, ...this.#saved],
    };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioBlock', state.version, STATE_VERSION);
    for (const { ticket } of this.#running) ticket?.cancel();
    this.#running.clear();
    this.config[CONFIG.writeback] = Number(state.writeback);
    this.#saved = [...(state.requests as SavedRequest[])];
  }

  #describeDisk(): void {
    const view = new DataView(this.config.buffer);
    view.setBigUint64(CONFIG.capacity, BigInt(Math.floor(this.#disk.sizeBytes / SECTOR_BYTES)), true);
    view.setUint32(CONFIG.segmentMax, QUEUE_ENTRIES - 2, true);
    view.setUint32(CONFIG.blockSize, SECTOR_BYTES, true);
    view.setUint8(CONFIG.writeback, 1);
    view.setUint32(CONFIG.maxDiscardSectors, MOST_DISCARD_SECTORS, true);
    view.setUint32(CONFIG.maxDiscardSegments, MOST_SEGMENTS, true);
    view.setUint32(CONFIG.discardAlignment, 1, true);
    view.setUint32(CONFIG.maxZeroSectors, MOST_ZERO_SECTORS, true);
    view.setUint32(CONFIG.maxZeroSegments, MOST_SEGMENTS, true);
    view.setUint8(CONFIG.zeroMayUnmap, 1);
  }

  /** A driver that cannot flush, or has turned the cache off, finds every finished write on stable storage. */
  get #writeThrough(): boolean {
    const features = this.#port?.features ?? 0n;
    if (!(features & F.flush)) return true;
    return (features & F.configWce) !== 0n && this.config[CONFIG.writeback] === 0;
  }

  /** Asks the disk for the next piece of a request, or ends it. */
  #advance(running: Running, deadlineNanos?: bigint): void {
    const { chain, request, position } = running;
    const piece = pieceAt(request, position, chain, this.#writeThrough);
    if (piece === undefined) {
      this.#finish(running, request.kind === 'fail' ? request.status : STATUS.ok);
      return;
    }
    const finished = (ok: boolean) => {
      if (!ok) this.#finish(running, STATUS.ioError);
      else {
        if (piece.request.kind === 'read') chain.write(position, piece.request.target);
        running.position = piece.next;
        this.#advance(running);
      }
      this.#port?.notify(0);
    };
    running.ticket = this.#disk.submit(piece.request, finished, deadlineNanos);
  }

  #finish(running: Running, status: number): void {
    const { chain, request } = running;
    this.#running.delete(running);
    const last = chain.writableBytes - 1;
    if (request.kind === 'identify') chain.write(0, this.#serial.subarray(0, Math.max(0, last)));
    if (last >= 0) chain.write(last, Uint8Array.of(status));
    this.#port?.queues[0].complete(chain, Math.max(0, chain.writableBytes));
  }
}
