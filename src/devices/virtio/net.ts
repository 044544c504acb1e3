import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, DeviceState, NetPort } from '../../machine/interfaces.ts';
import { completeChecksum, hasValidChecksum, segmentTcp } from '../../machine/net-offload.ts';
import type { Chain } from './chain.ts';
import { ReceiveFilter } from './net-filter.ts';
import { VIRTIO_F, VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

/** Feature bits (virtio 1.2 section 5.1.3). */
const F = {
  checksum: 1n << 0n,
  guestChecksum: 1n << 1n,
  mac: 1n << 5n,
  hostTso4: 1n << 11n,
  hostTso6: 1n << 12n,
  hostEcn: 1n << 13n,
  mergeableBuffers: 1n << 15n,
  status: 1n << 16n,
  controlQueue: 1n << 17n,
  controlReceive: 1n << 18n,
  controlMac: 1n << 23n,
} as const;

const [RECEIVE, TRANSMIT, CONTROL] = [0, 1, 2];
/** Fields of the header before each frame (virtio 1.2 section 5.1.6). */
const HEADER = { flags: 0, gsoType: 1, gsoSize: 4, checksumStart: 6, checksumOffset: 8, numBuffers: 10 } as const;
const HEADER_BYTES = 12;
/** The header of legacy drivers that do not merge buffers has no `num_buffers`. */
const SHORT_HEADER_BYTES = 10;
const FLAG_NEEDS_CHECKSUM = 1;
const FLAG_DATA_VALID = 2;
const GSO_NONE = 0;
const GSO_TYPE = 0x7f;

const MAC_BYTES = 6;
const STATUS_LINK_UP = 1;
const MOST_FRAME_BYTES = 0x10000 + 18;
/** Frames that wait for the driver's buffers: what comes then is lost, as on a wire. */
const MOST_WAITING = 256;
/** How long a frame that the other end had no room for waits. */
const RETRY_NANOS = 1_000_000n;
const STATE_VERSION = 1;

/** The network device (virtio 1.2 section 5.1): checksums and TCP segments are finished for the driver. */
export class VirtioNet implements VirtioDevice {
  readonly type = VIRTIO_TYPE.net;
  readonly features = Object.values(F).reduce((all, bit) => all | bit, 0n);
  readonly queueSizes = [256, 256, 64];
  readonly config: Uint8Array;
  readonly #net: NetPort;
  readonly #retry: Alarm;
  readonly #clock: Clock;
  readonly #filter: ReceiveFilter;
  #port: VirtioPort | undefined;
  readonly #waiting: Uint8Array[] = [];
  /** A chain whose frames the other end has not all taken, and those frames. */
  #sending: { readonly chain: Chain; readonly frames: Uint8Array[] } | undefined;

  /** @param mac six bytes, the address of the card */
  constructor(net: NetPort, mac: Uint8Array, clock: Clock) {
    this.#net = net;
    this.#clock = clock;
    this.#retry = clock.createAlarm(() => this.#port?.notify(TRANSMIT));
    this.config = new Uint8Array(MAC_BYTES + 2);
    this.config.set(mac.subarray(0, MAC_BYTES));
    this.config[MAC_BYTES] = STATUS_LINK_UP;
    this.#filter = new ReceiveFilter(this.config.subarray(0, MAC_BYTES));
    net.onFrame((frame) => this.#arrived(frame));
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(queue: number): void {
    if (queue === RECEIVE) this.#receive();
    else if (queue === TRANSMIT) this.#transmit();
    else this.#control();
  }

  /** Legacy drivers set the address here. */
  configWritten(offset: number, size: number, value: number): void {
    if (offset + size > MAC_BYTES || (this.#port?.features ?? 0n) & VIRTIO_F.version1) return;
    for (let i = 0; i < size; i++) this.config[offset + i] = value >>> (i * 8);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      config: this.config.slice(),
      filter: this.#filter.save(),
      waiting: [...this.#waiting],
    };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioNet', state.version, STATE_VERSION);
    this.config.set(state.config as Uint8Array);
    this.#filter.restore(state.filter as DeviceState);
    this.#waiting.splice(0, this.#waiting.length, ...(state.waiting as Uint8Array[]));
    this.#sending = undefined;
    this.#retry.cancel();
  }

  get #headerBytes(): number {
    const features = this.#port?.features ?? 0n;
    return features & (VIRTIO_F.version1 | F.mergeableBuffers) ? HEADER_BYTES : SHORT_HEADER_BYTES;
  }

  #arrived(frame: Uint8Array): void {
    if (!this.#port?.driverOk || frame.length > MOST_FRAME_BYTES || !this.#filter.accepts(frame)) return;
    if (this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(frame.slice());
    this.#port.notify(RECEIVE);
  }

  #receive(): void {
    for (let frame = this.#waiting[0]; frame; frame = this.#waiting[0]) {
      if (!this.#deliver(frame)) return;
      this.#waiting.shift();
    }
  }

  /** Puts a frame into as many buffers as it takes, or one where the driver does not merge them.
   * @returns false when the driver has to give buffers first */
  #deliver(frame: Uint8Array): boolean {
    const queue = this.#port?.queues[RECEIVE];
    const features = this.#port?.features ?? 0n;
    const packet = new Uint8Array(this.#headerBytes + frame.length);
    packet.set(frame, this.#headerBytes);
    if (features & F.guestChecksum && hasValidChecksum(frame)) packet[HEADER.flags] = FLAG_DATA_VALID;
    const chains: Chain[] = [];
    let room = 0;
    try {
      while (room < packet.length) {
        const chain = queue?.pop();
        if (!chain) break;
        chains.push(chain);
        room += chain.writableBytes;
        if (!(features & F.mergeableBuffers)) break;
      }
    } catch (error) {
      queue?.putBack(chains);
      throw error;
    }
    const fits = room >= packet.length;
    if (!fits && (chains.length === 0 || features & F.mergeableBuffers)) {
      queue?.putBack(chains);
      return false;
    }
    if (this.#headerBytes === HEADER_BYTES)
      new DataView(packet.buffer).setUint16(HEADER.numBuffers, chains.length, true);
    let done = 0;
    queue?.completeAll(
      chains.map((chain) => {
        const written = chain.write(0, packet.subarray(done));
        done += written;
        return [chain, written] as const;
      }),
    );
    return true;
  }

  #transmit(): void {
    const queue = this.#port?.queues[TRANSMIT];
    while (this.#sendRest()) {
      const chain = queue?.pop();
      if (!chain) return;
      this.#sending = { chain, frames: this.#framesOf(chain) };
    }
    this.#retry.arm(this.#clock.nowNanos() + RETRY_NANOS);
  }

  /** @returns false when the other end has no room */
  #sendRest(): boolean {
    if (!this.#sending) return true;
    const { chain, frames } = this.#sending;
    for (let frame = frames[0]; frame; frame = frames[0]) {
      if (!this.#net.send(frame)) return false;
      frames.shift();
    }
    this.#sending = undefined;
    this.#port?.queues[TRANSMIT].complete(chain, 0);
    return true;
  }

  /** The frames that a chain asks to be sent: none when it is malformed. */
  #framesOf(chain: Chain): Uint8Array[] {
    const length = chain.readableBytes - this.#headerBytes;
    if (length <= 0 || length > MOST_FRAME_BYTES) return [];
    const packet = chain.readBytes(0, chain.readableBytes);
    const header = new DataView(packet.buffer);
    const frame = packet.subarray(this.#headerBytes);
    if ((packet[HEADER.gsoType] & GSO_TYPE) !== GSO_NONE)
      return segmentTcp(frame, header.getUint16(HEADER.gsoSize, true));
    if (packet[HEADER.flags] & FLAG_NEEDS_CHECKSUM) {
      const start = header.getUint16(HEADER.checksumStart, true);
      completeChecksum(frame, start, start + header.getUint16(HEADER.checksumOffset, true));
    }
    return [frame];
  }

  #control(): void {
    const queue = this.#port?.queues[CONTROL];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      const status = this.#filter.command(chain.readBytes(0, chain.readableBytes));
      queue?.complete(chain, chain.write(0, Uint8Array.of(status)));
    }
  }
}
