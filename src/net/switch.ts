import { SplitMix64 } from '../base/random.ts';
import type { Clock, FrameReceiver, NetPort } from '../machine/interfaces.ts';
import { ETHERNET_HEADER_BYTES, ETHERTYPE, get16, isMulticast, MAC_BYTES, put16 } from './ethernet.ts';
import { keyOf } from './link.ts';
import { type Timer, Timers } from './timers.ts';

/** The VLAN of ports that say nothing (IEEE 802.1Q section 9.6). */
const DEFAULT_VLAN = 1;
const VLAN_MASK = 0xfff;
const TAG_BYTES = 4;
const TAG_AT = 2 * MAC_BYTES;
const MOST_STATIONS = 4096;
/** How long a station is believed to be where it was heard last (IEEE 802.1D section 7.9.2). */
const AGING_MILLIS = 300_000;
/** Frames that wait for a port; more are lost. */
const MOST_WAITING = 512;
const RETRY_MILLIS = 1;
const RANDOM_RANGE = 2 ** 32;

/** How a port of a switch behaves. */
export interface SwitchPortOptions {
  /** The VLAN that frames without a tag belong to, 1 to 4094. */
  readonly vlan?: number;
  /** VLANs whose frames pass with a tag: those, or all others. */
  readonly tagged?: readonly number[] | 'all';
  /** How many bytes a second go out to the port; absent: without limit. */
  readonly bytesPerSecond?: number;
  /** How long each frame to the port takes. */
  readonly delayMillis?: number;
  /** The share of frames to the port that get lost, 0 to 1. */
  readonly loss?: number;
}

interface WaitingFrame {
  readonly frame: Uint8Array;
  readonly dueMillis: number;
}

interface Station {
  readonly port: SwitchPort;
  heardMillis: number;
}

/** A switch for Ethernet frames that learns where stations are, with VLANs, and cables as bad as a test wants them. */
export class Switch {
  readonly #timers: Timers;
  readonly #random: SplitMix64;
  readonly #ports = new Set<SwitchPort>();
  readonly #stations = new Map<string, Station>();

  /** @param seed decides which frames are lost */
  constructor(clock: Clock, seed: bigint = 0n) {
    this.#timers = new Timers(clock);
    this.#random = new SplitMix64(seed);
  }

  /** Makes one more port. */
  connect(options: SwitchPortOptions = {}): SwitchPort {
    const port: SwitchPort = new SwitchPort(options, this.#timers, {
      forward: (frame, vlan) => this.#forward(port, frame, vlan),
      random: () => Number(this.#random.next() & 0xffffffffn) / RANDOM_RANGE,
      close: () => this.#close(port),
    });
    this.#ports.add(port);
    return port;
  }

  #forward(from: SwitchPort, frame: Uint8Array, vlan: number): void {
    const now = this.#timers.nowMillis;
    const source = frame.subarray(MAC_BYTES, TAG_AT);
    if (!isMulticast(source)) this.#learn(`${vlan} ${keyOf(source)}`, from, now);
    const station = isMulticast(frame)
      ? undefined
      : this.#stations.get(`${vlan} ${keyOf(frame.subarray(0, MAC_BYTES))}`);
    if (station && now - station.heardMillis <= AGING_MILLIS) {
      if (station.port !== from) station.port.deliver(frame, vlan);
      return;
    }
    for (const port of this.#ports) if (port !== from) port.deliver(frame, vlan);
  }

  #learn(key: string, port: SwitchPort, now: number): void {
    const [oldest] = this.#stations.keys();
    const isKnown = this.#stations.delete(key);
    if (!isKnown && this.#stations.size >= MOST_STATIONS) this.#stations.delete(oldest);
    this.#stations.set(key, { port, heardMillis: now });
  }

  #close(port: SwitchPort): void {
    this.#ports.delete(port);
    for (const [key, station] of this.#stations) if (station.port === port) this.#stations.delete(key);
  }
}

/** What a port uses of its switch. */
interface SwitchSide {
  /** @param frame without a tag */
  forward(frame: Uint8Array, vlan: number): void;
  /** From 0 to below 1. */
  random(): number;
  close(): void;
}

/** A port of a switch: the end of a cable that a card, another network or a socket is plugged into. */
export class SwitchPort implements NetPort {
  readonly #options: SwitchPortOptions;
  readonly #timers: Timers;
  readonly #timer: Timer;
  readonly #switch: SwitchSide;
  readonly #waiting: WaitingFrame[] = [];
  #freeMillis = 0;
  #receive: FrameReceiver = () => {};

  constructor(options: SwitchPortOptions, timers: Timers, side: SwitchSide) {
    this.#options = options;
    this.#timers = timers;
    this.#timer = timers.create(() => this.#pump());
    this.#switch = side;
  }

  send(frame: Uint8Array): boolean {
    if (frame.length < ETHERNET_HEADER_BYTES) return true;
    const isTagged = get16(frame, TAG_AT) === ETHERTYPE.vlan && frame.length >= ETHERNET_HEADER_BYTES + TAG_BYTES;
    const tag = isTagged ? get16(frame, TAG_AT + 2) & VLAN_MASK : 0;
    const vlan = tag || this.#vlan;
    if (tag === 0 || this.#tags(tag)) this.#switch.forward(isTagged ? untagged(frame) : frame, vlan);
    return true;
  }

  onFrame(receive: FrameReceiver): void {
    this.#receive = receive;
  }

  /** Takes the cable out. */
  close(): void {
    this.#timer.cancel();
    this.#waiting.length = 0;
    this.#switch.close();
  }

  /** Sends a frame out of the port, if it belongs to the VLAN. @param frame without a tag */
  deliver(frame: Uint8Array, vlan: number): void {
    const isTagged = vlan !== this.#vlan;
    if (isTagged && !this.#tags(vlan)) return;
    const { loss = 0, delayMillis = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#waiting.length >= MOST_WAITING || (loss > 0 && this.#switch.random() < loss)) return;
    const out = isTagged ? tagged(frame, vlan) : frame;
    this.#freeMillis = Math.max(this.#freeMillis, this.#timers.nowMillis) + (out.length * 1000) / bytesPerSecond;
    this.#waiting.push({ frame: out, dueMillis: this.#freeMillis + delayMillis });
    if (this.#waiting.length === 1) this.#pump();
  }

  get #vlan(): number {
    return this.#options.vlan ?? DEFAULT_VLAN;
  }

  #tags(vlan: number): boolean {
    const { tagged = [] } = this.#options;
    return tagged === 'all' || tagged.includes(vlan);
  }

  #pump(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const wait = next.dueMillis - this.#timers.nowMillis;
      const isTaken = wait <= 0 && this.#receive(next.frame) !== false;
      if (!isTaken) {
        this.#timer.arm(wait > 0 ? wait : RETRY_MILLIS);
        return;
      }
      this.#waiting.shift();
    }
  }
}

function untagged(frame: Uint8Array): Uint8Array {
  const bare = new Uint8Array(frame.length - TAG_BYTES);
  bare.set(frame.subarray(0, TAG_AT));
  bare.set(frame.subarray(TAG_AT + TAG_BYTES), TAG_AT);
  return bare;
}

function tagged(frame: Uint8Array, vlan: number): Uint8Array {
  const out = new Uint8Array(frame.length + TAG_BYTES);
  out.set(frame.subarray(0, TAG_AT));
  put16(out, TAG_AT, ETHERTYPE.vlan);
  put16(out, TAG_AT + 2, vlan);
  out.set(frame.subarray(TAG_AT), TAG_AT + TAG_BYTES);
  return out;
}
