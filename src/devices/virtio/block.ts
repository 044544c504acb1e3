import { requireVersion } from '../../base/state-version.ts';
import type { Disk } from '../../machine/disk-queue.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import {
  type BlockRequest,
  HEADER_BYTES,
  MOST_DISCARD_SECTORS,
  MOST_SEGMENTS,
  MOST_ZERO_SECTORS,
  parseRequest,
  SECTOR_BYTES,
  STATUS,
} from './block-request.ts';
import type { Chain } from './chain.ts';
import { DiskRequests, type SavedRequest } from './disk-requests.ts';
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

/** So many that 1 MiB of scattered pages is one request. */
const QUEUE_ENTRIES = 512;
const SERIAL_BYTES = 20;
const STATE_VERSION = 1;

/** The block device (virtio 1.2 section 5.2), with discard, write-zeroes and a write cache the driver can turn off. */
export class VirtioBlock implements VirtioDevice {
  readonly type = VIRTIO_TYPE.block;
  readonly features: bigint;
  readonly queueSizes = [QUEUE_ENTRIES];
  readonly config = new Uint8Array(CONFIG.length);
  readonly #disk: Disk;
  readonly #serial: Uint8Array;
  #port: VirtioPort | undefined;
  readonly #requests: DiskRequests<BlockRequest>;

  /** @param serial what the device says its serial number is: up to 20 ASCII characters */
  constructor(disk: Disk, serial: string) {
    this.#disk = disk;
    this.#serial = new Uint8Array(SERIAL_BYTES);
    this.#serial.set(new TextEncoder().encode(serial).subarray(0, SERIAL_BYTES));
    const changing = F.flush | F.configWce | F.discard | F.writeZeroes;
    this.features = F.segmentMax | F.blockSize | (disk.readOnly ? F.readOnly : changing);
    this.#describeDisk();
    const format = {
      sourceStart: HEADER_BYTES,
      targetStart: 0,
      writeThrough: () => this.#writeThrough,
      ended: (chain: Chain, request: BlockRequest, ok: boolean) => this.#finish(chain, request, ok),
    };
    this.#requests = new DiskRequests(format, () => this.#port?.notify(0));
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(): void {
    const queue = this.#port?.queues[0];
    while (this.#requests.hasRoom) {
      const chain = queue?.pop();
      if (!chain) return;
      const request = parseRequest(chain, this.#disk);
      this.#requests.begin(chain, this.#disk, request, request);
    }
  }

  configWritten(offset: number, size: number, value: number): void {
    if (offset === CONFIG.writeback && size === 1) this.config[CONFIG.writeback] = value & 1;
  }

  save(): DeviceState {
    const requests = this.#requests.save();
    return { version: STATE_VERSION, writeback: this.config[CONFIG.writeback], requests };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioBlock', state.version, STATE_VERSION);
    this.config[CONFIG.writeback] = Number(state.writeback);
    this.#requests.restore(state.requests as SavedRequest[]);
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

  #finish(chain: Chain, request: BlockRequest, ok: boolean): void {
    const failed = request.kind === 'fail' ? request.status : STATUS.ok;
    const last = chain.writableBytes - 1;
    if (request.kind === 'identify') chain.write(0, this.#serial.subarray(0, Math.max(0, last)));
    if (last >= 0) chain.write(last, Uint8Array.of(ok ? failed : STATUS.ioError));
    this.#port?.queues[0].complete(chain, Math.max(0, chain.writableBytes));
  }
}
