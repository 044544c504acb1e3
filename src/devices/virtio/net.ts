import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, DeviceState, FrameOffload, NetPort } from '../../machine/interfaces.ts';
import { completeChecksum, finishFrame, hasValidChecksum, segmentTcp } from '../../machine/net-offload.ts';
import type { Chain } from './chain.ts';
import { ReceiveFilter } from './net-filter.ts';
import { VIRTIO_F, VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

/** Feature bits (virtio 1.2 section 5.1.3). */
const F = {
  checksum: 1n << 0n,
  guestChecksum: 1n << 1n,
  mac: 1n << 5n,
  guestTso4: 1n << 7n,
  guestTso6: 1n << 8n,
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
const HEADER = {
  flags: 0,
  gsoType: 1,
  headerBytes: 2,
  gsoSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
  numBuffers: 10,
} as const;
const HEADER_BYTES = 12;
/** The header of legacy drivers that do not merge buffers has no `num_buffers`. */
const SHORT_HEADER_BYTES = 10;
const FLAG_NEEDS_CHECKSUM = 1;
const FLAG_DATA_VALID = 2;
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_TYPE = 0x7f;

const MAC_BYTES = 6;
const STATUS_LINK_UP = 1;
const MOST_FRAME_BYTES = 0x10000 + 18;
/** What drivers have to know before a frame can be left to them unfinished. */
const GUEST_OFFLOAD = F.guestChecksum | F.guestTso4 | F.guestTso6;
const ETHERTYPE_IPV6 = 0x86dd;
/** Frames that wait for the driver's buffers: what comes then has to wait elsewhere, or is lost, as on a wire. */
const MOST_WAITING = 256;
const MOST_WAITING_BYTES = 1 << 20;
/** How long a frame that the other end had no room for waits. */
const RETRY_NANOS = 1_000_000n;
const STATE_VERSION = 1;

/** A frame, and what is left to be done to it. */
interface OpenFrame {
  readonly frame: Uint8Array;
  readonly offload?: FrameOffload;
}

/** The network device (virtio 1.2 section 5.1): checksums and TCP segments are finished for the driver. */
export class VirtioNet implements VirtioDevice {
  readonly type = VIRTIO_TYPE.net;
  readonly features = Object.values(F).reduce((all, bit) => all | bit, 0n);
  readonly queueSizes = [256, 256, 64];
  readonly config: Uint8Array;
  readonly #mac: Uint8Array;
  readonly #net: NetPort;
  readonly #retry: Alarm;
  readonly #tellOfAddress: Alarm;
  readonly #clock: Clock;
  readonly #filter: ReceiveFilter;
  #port: VirtioPort | undefined;
  readonly #waiting: OpenFrame[] = [];
  #waitingBytes = 0;
  /** A chain whose frames the other end has not all taken, and those frames. */
  #sending: { readonly chain: Chain; readonly frames: OpenFrame[] } | undefined;

  /** @param mac six bytes, the address of the card */
  constructor(net: NetPort, mac: Uint8Array, clock: Clock) {
    this.#net = net;
    this.#clock = clock;
    this.#retry = clock.createAlarm(() => this.#port?.notify(TRANSMIT));
    this.#tellOfAddress = clock.createAlarm(() => this.#port?.configChanged());
    this.#mac = mac.slice(0, MAC_BYTES);
    this.config = new Uint8Array(MAC_BYTES + 2);
    this.config.set(this.#mac);
    this.config[MAC_BYTES] = STATUS_LINK_UP;
    this.#filter = new ReceiveFilter(this.config.subarray(0, MAC_BYTES));
    net.onFrame(
      (frame, offload) => this.#arrived(frame, offload),
      () => this.#takesOffload,
    );
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
    this.#filter.takeShown();
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      mac: this.#mac,
      config: this.config.slice(),
      filter: this.#filter.save(),
      waiting: this.#waiting.flatMap(({ frame, offload }) => finishFrame(frame, offload)),
    };
  }

  /** A card with another address than the saved one shows it, and tells the driver by an alarm: other chips are to be
   * restored first. Until the driver takes it, frames for the address that it knows come in. */
  restore(state: DeviceState): void {
    requireVersion('VirtioNet', state.version, STATE_VERSION);
    this.config.set(state.config as Uint8Array);
    this.#filter.restore(state.filter as DeviceState);
    const savedMac = (state.mac as Uint8Array | undefined) ?? this.#mac;
    if (savedMac.every((byte, index) => byte === this.#mac[index])) this.#tellOfAddress.cancel();
    else {
      this.config.set(this.#mac);
      this.#tellOfAddress.arm(this.#clock.nowNanos());
    }
    const waiting = (state.waiting as Uint8Array[]).map((frame) => ({ frame }));
    this.#waiting.splice(0, this.#waiting.length, ...waiting);
    this.#waitingBytes = waiting.reduce((sum, { frame }) => sum + frame.length, 0);
    this.#sending = undefined;
    this.#retry.cancel();
  }

  get #headerBytes(): number {
    const features = this.#port?.features ?? 0n;
    return features & (VIRTIO_F.version1 | F.mergeableBuffers) ? HEADER_BYTES : SHORT_HEADER_BYTES;
  }

  /** Whether the driver finishes checksums and takes large segments. */
  get #takesOffload(): boolean {
    const port = this.#port;
    return port?.driverOk === true && (port.features & GUEST_OFFLOAD) === GUEST_OFFLOAD;
  }

  /** @returns false when there is no room now */
  #arrived(frame: Uint8Array, offload: FrameOffload | undefined): boolean {
    if (!this.#port?.driverOk || frame.length > MOST_FRAME_BYTES || !this.#filter.accepts(frame)) return true;
    if (this.#waiting.length >= MOST_WAITING || this.#waitingBytes >= MOST_WAITING_BYTES) return false;
    this.#waiting.push({ frame, offload });
    this.#waitingBytes += frame.length;
    this.#port.notify(RECEIVE);
    return true;
  }

  #receive(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (!this.#deliver(next)) return;
      this.#waiting.shift();
      this.#waitingBytes -= next.frame.length;
    }
  }

  /** Puts a frame into as many buffers as it takes, or one where the driver does not merge them.
   * @returns false when the driver has to give buffers first */
  #deliver(open: OpenFrame): boolean {
    const queue = this.#port?.queues[RECEIVE];
    const features = this.#port?.features ?? 0n;
    const header = this.#receiveHeader(open);
    const length = header.length + open.frame.length;
    const chains: Chain[] = [];
    let room = 0;
    try {
      while (room < length) {
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
    if (room < length && (chains.length === 0 || features & F.mergeableBuffers)) {
      queue?.putBack(chains);
      return false;
    }
    if (header.length === HEADER_BYTES) new DataView(header.buffer).setUint16(HEADER.numBuffers, chains.length, true);
    queue?.completeAll(fill(chains, header, open.frame));
    return true;
  }

  #receiveHeader({ frame, offload }: OpenFrame): Uint8Array<ArrayBuffer> {
    const header = new Uint8Array(this.#headerBytes);
    const features = this.#port?.features ?? 0n;
    if (!offload) {
      if (features & F.guestChecksum && hasValidChecksum(frame)) header[HEADER.flags] = FLAG_DATA_VALID;
      return header;
    }
    const { checksumStart, checksumAt, segmentBytes } = offload;
    const view = new DataView(header.buffer);
    header[HEADER.flags] = FLAG_NEEDS_CHECKSUM;
    view.setUint16(HEADER.checksumStart, checksumStart, true);
    view.setUint16(HEADER.checksumOffset, checksumAt - checksumStart, true);
    if (segmentBytes === 0) return header;
    const isIpv6 = ((frame[12] << 8) | frame[13]) === ETHERTYPE_IPV6;
    header[HEADER.gsoType] = isIpv6 ? GSO_TCPV6 : GSO_TCPV4;
    view.setUint16(HEADER.headerBytes, checksumStart + (frame[checksumStart + 12] >> 4) * 4, true);
    view.setUint16(HEADER.gsoSize, segmentBytes, true);
    return header;
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
    for (let next = frames[0]; next; next = frames[0]) {
      if (!this.#net.send(next.frame, next.offload)) return false;
      frames.shift();
    }
    this.#sending = undefined;
    this.#port?.queues[TRANSMIT].complete(chain, 0);
    return true;
  }

  /** The frames that a chain asks to be sent: none when it is malformed. */
  #framesOf(chain: Chain): OpenFrame[] {
    const length = chain.readableBytes - this.#headerBytes;
    if (length <= 0 || length > MOST_FRAME_BYTES) return [];
    const packet = chain.readBytes(0, chain.readableBytes);
    const header = new DataView(packet.buffer);
    const frame = packet.subarray(this.#headerBytes);
    const isLarge = (packet[HEADER.gsoType] & GSO_TYPE) !== GSO_NONE;
    const checksumStart = header.getUint16(HEADER.checksumStart, true);
    const checksumAt = checksumStart + header.getUint16(HEADER.checksumOffset, true);
    const segmentBytes = isLarge ? header.getUint16(HEADER.gsoSize, true) : 0;
    const isOpen = (packet[HEADER.flags] & FLAG_NEEDS_CHECKSUM) !== 0;
    if (isOpen && this.#net.takesOffload && checksumAt + 2 <= frame.length) {
      return [{ frame, offload: { checksumStart, checksumAt, segmentBytes } }];
    }
    if (isLarge) return segmentTcp(frame, segmentBytes).map((part) => ({ frame: part }));
    if (isOpen) completeChecksum(frame, checksumStart, checksumAt);
    return [{ frame }];
  }

  #control(): void {
    const queue = this.#port?.queues[CONTROL];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      const status = this.#filter.command(chain.readBytes(0, chain.readableBytes));
      queue?.complete(chain, chain.write(0, Uint8Array.of(status)));
    }
  }
}

/** Spreads a header and a frame over buffers that have room for both, or as much of them as there is.
 * @returns each buffer with the bytes that were written into it */
function fill(chains: readonly Chain[], header: Uint8Array, frame: Uint8Array): (readonly [Chain, number])[] {
  let done = 0;
  return chains.map((chain) => {
    const count = Math.min(chain.writableBytes, header.length + frame.length - done);
    const ofHeader = header.subarray(done, done + count);
    const from = Math.max(0, done - header.length);
    if (ofHeader.length > 0) chain.write(0, ofHeader);
    if (count > ofHeader.length) chain.write(ofHeader.length, frame.subarray(from, from + count - ofHeader.length));
    done += count;
    return [chain, count] as const;
  });
}
