import { requireVersion } from '../../base/state-version.ts';
import { PAGE_BYTES } from '../../machine/guest-memory.ts';
import { type DeviceState, type GuestMemory, NotRam, PageAbsent } from '../../machine/interfaces.ts';
import type { Chain } from './chain.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

/** Feature bits (virtio 1.2 section 5.5.3). */
const F = { statistics: 1n << 1n, deflateOnOom: 1n << 2n } as const;
/** Fields of the configuration: pages the device wants, pages it has. */
const CONFIG = { wanted: 0, actual: 4, length: 8 } as const;
const [INFLATE, , STATISTICS] = [0, 1, 2];
/** Page numbers that are looked at in one buffer; drivers send 256. */
const MOST_PAGES = 1024;
const STATISTIC_BYTES = 10;
const MOST_STATISTICS = 64;
const STATE_VERSION = 1;

/** The memory balloon (virtio 1.2 section 5.5): pages the guest gives away are cleared, so that they take no room in snapshots. */
export class VirtioBalloon implements VirtioDevice {
  readonly type = VIRTIO_TYPE.balloon;
  readonly features = F.statistics | F.deflateOnOom;
  readonly queueSizes = [128, 128, 64];
  readonly config = new Uint8Array(CONFIG.length);
  readonly #view = new DataView(this.config.buffer);
  readonly #memory: GuestMemory;
  readonly #changed: (actualBytes: number) => void;
  #port: VirtioPort | undefined;
  /** The buffer in which the driver gives statistics the next time. */
  #report: Chain | undefined;
  /** Whether that buffer is wanted with new statistics. */
  #isAsked = false;
  #statistics: ReadonlyMap<number, bigint> = new Map();

  /** @param changed told how much the guest has given away in all, when it says that this has changed */
  constructor(memory: GuestMemory, changed: (actualBytes: number) => void = () => {}) {
    this.#memory = memory;
    this.#changed = changed;
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  /** Bytes that the guest has given away. */
  get actualBytes(): number {
    return this.#view.getUint32(CONFIG.actual, true) * PAGE_BYTES;
  }

  /** What the guest last told of itself, by tag (virtio 1.2 section 5.5.6.4). */
  get statistics(): ReadonlyMap<number, bigint> {
    return this.#statistics;
  }

  /** Asks the guest to give memory away, or takes that back. @param bytes how much it should have given in all */
  setTarget(bytes: number): void {
    this.#view.setUint32(CONFIG.wanted, Math.floor(bytes / PAGE_BYTES), true);
    this.#port?.configChanged();
  }

  /** Asks the guest for new statistics. */
  requestStatistics(): void {
    this.#isAsked = this.#report !== undefined;
    if (this.#isAsked) this.#port?.notify(STATISTICS);
  }

  notify(index: number): void {
    const queue = this.#port?.queues[index];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      if (index === STATISTICS) this.#readStatistics(chain);
      else {
        if (index === INFLATE) this.#clear(chain);
        queue?.complete(chain, 0);
      }
    }
    // Here, since looking for buffers has made sure that the ring can be written to.
    if (index === STATISTICS && this.#isAsked) this.#giveBack();
  }

  configWritten(offset: number, size: number, value: number): void {
    if (offset !== CONFIG.actual || size !== 4) return;
    const before = this.actualBytes;
    this.#view.setUint32(CONFIG.actual, value, true);
    if (this.actualBytes !== before) this.#changed(this.actualBytes);
  }

  save(): DeviceState {
    return { version: STATE_VERSION, config: this.config.slice() };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioBalloon', state.version, STATE_VERSION);
    const wanted = this.#view.getUint32(CONFIG.wanted, true);
    this.config.set(state.config as Uint8Array);
    // What was asked for before a driver came, or before it was loaded again, is still wanted.
    if (this.#view.getUint32(CONFIG.wanted, true) === 0) this.#view.setUint32(CONFIG.wanted, wanted, true);
    this.#report = undefined;
    this.#isAsked = false;
    this.#statistics = new Map();
  }

  #readStatistics(chain: Chain): void {
    this.#giveBack(); // there is one buffer; a second gives the first back
    const view = new DataView(chain.readBytes(0, MOST_STATISTICS * STATISTIC_BYTES).buffer);
    const found = new Map<number, bigint>();
    for (let at = 0; at + STATISTIC_BYTES <= view.byteLength; at += STATISTIC_BYTES) {
      found.set(view.getUint16(at, true), view.getBigUint64(at + 2, true));
    }
    this.#statistics = found;
    this.#report = chain;
  }

  #giveBack(): void {
    if (this.#report) this.#port?.queues[STATISTICS].complete(this.#report, 0);
    this.#report = undefined;
    this.#isAsked = false;
  }

  #clear(chain: Chain): void {
    const view = new DataView(chain.readBytes(0, MOST_PAGES * 4).buffer);
    for (let at = 0; at + 4 <= view.byteLength; at += 4) this.#clearPage(view.getUint32(at, true) * PAGE_BYTES);
  }

  /** A page that is not RAM, or is still to be brought in, is left alone: its content does not matter any more. */
  #clearPage(gpa: number): void {
    try {
      this.#memory.forWrite(gpa, PAGE_BYTES).fill(0);
    } catch (error) {
      if (!(error instanceof NotRam || error instanceof PageAbsent)) throw error;
    }
  }
}
