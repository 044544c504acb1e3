import { IPV4_BYTES } from '../base/ip-address.ts';
import type { Alarm, Clock, FrameOffload, FrameReceiver, NetPort } from '../machine/interfaces.ts';
import { BROADCAST_MAC, ETHERTYPE, MAC_BYTES, putEthernetHeader } from './ethernet.ts';

/** Frames beyond this wait for room: TCP holds its data back. */
const FULL_FRAMES = 64;
/** Frames beyond this are lost. */
const MOST_FRAMES = 512;
/** How long a frame that the card had no room for waits before it is offered again. */
const RETRY_NANOS = 1_000_000n;
const MOST_NEIGHBOURS = 256;
/** Frames that wait for their address to be resolved. */
const MOST_UNRESOLVED = 64;

interface WaitingFrame {
  readonly frame: Uint8Array;
  readonly offload?: FrameOffload;
}

/** Whom a link calls. */
export interface LinkOwner {
  /** A frame has come from the guest. */
  received(frame: Uint8Array, offload: FrameOffload | undefined): void;
  /** Frames are about to go out: what belongs with them is to be sent now. */
  flushing(): void;
  /** There is room again after there was none. */
  roomAgain(): void;
  /** Asks the link who has an IP address. */
  resolve(address: Uint8Array): void;
}

/**
 * The network's end of the guest's cable. Frames for the guest wait until its own access is over, so that a card is
 * never entered while it sends, and until the card has room.
 */
export class GuestLink implements NetPort {
  /** The network's own station. */
  readonly mac: Uint8Array;
  readonly takesOffload = true;
  readonly #clock: Clock;
  readonly #owner: LinkOwner;
  readonly #alarm: Alarm;
  readonly #queue: WaitingFrame[] = [];
  readonly #neighbours = new Map<string, Uint8Array>();
  readonly #unresolved: { readonly target: Uint8Array; readonly type: number; readonly waiting: WaitingFrame }[] = [];
  #receive: FrameReceiver = () => {};
  #guestTakesOffload: () => boolean = () => false;
  #isFlushing = false;
  #wasFull = false;

  constructor(clock: Clock, mac: Uint8Array, owner: LinkOwner) {
    this.#clock = clock;
    this.#owner = owner;
    this.mac = mac;
    this.#alarm = clock.createAlarm(() => this.flush());
  }

  send(frame: Uint8Array, offload?: FrameOffload): boolean {
    this.#owner.received(frame, offload);
    return true;
  }

  onFrame(receive: FrameReceiver, takesOffload: () => boolean = () => false): void {
    this.#receive = receive;
    this.#guestTakesOffload = takesOffload;
  }

  /** Whether the guest's card cuts large segments and finishes checksums. */
  get guestTakesOffload(): boolean {
    return this.#guestTakesOffload();
  }

  /** Whether senders that can wait may go on. When not, they are told of room. */
  get hasRoom(): boolean {
    const hasRoom = this.#queue.length < FULL_FRAMES;
    if (!hasRoom) this.#wasFull = true;
    return hasRoom;
  }

  /** Remembers at which station an address is. */
  learn(address: Uint8Array, mac: Uint8Array): void {
    const key = keyOf(address);
    const known = this.#neighbours.get(key);
    if (known && keyOf(known) === keyOf(mac)) return;
    const [oldest] = this.#neighbours.keys();
    if (!known && this.#neighbours.size >= MOST_NEIGHBOURS) this.#neighbours.delete(oldest);
    this.#neighbours.set(key, mac.slice());
    this.#sendResolved(key);
  }

  /** Sends a frame of an IP packet whose Ethernet header is blank to where its target is, once that is known. */
  sendIp(frame: Uint8Array, target: Uint8Array, offload?: FrameOffload): void {
    const type = target.length === IPV4_BYTES ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6;
    const mac = multicastMac(target) ?? this.#neighbours.get(keyOf(target));
    if (mac) {
      this.sendTo(frame, mac, type, offload);
      return;
    }
    if (this.#unresolved.length >= MOST_UNRESOLVED) this.#unresolved.shift();
    this.#unresolved.push({ target, type, waiting: { frame, offload } });
    this.#owner.resolve(target);
  }

  /** Fills in the Ethernet header and sends. */
  sendTo(frame: Uint8Array, mac: Uint8Array, type: number, offload?: FrameOffload): void {
    putEthernetHeader(frame, mac, this.mac, type);
    if (this.#queue.length >= MOST_FRAMES) return;
    this.#queue.push({ frame, offload });
    this.requestFlush();
  }

  /** Has {@link flush} called as soon as the guest's access is over. */
  requestFlush(): void {
    if (!this.#isFlushing) this.#alarm.arm(this.#clock.nowNanos());
  }

  /** Hands out what waits. Must not be called while the guest's card sends. */
  flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#alarm.cancel();
    this.#owner.flushing();
    while (this.#drain() && this.#wasFull) {
      this.#wasFull = false;
      this.#owner.roomAgain();
    }
    this.#isFlushing = false;
    if (this.#queue.length > 0) this.#alarm.arm(this.#clock.nowNanos() + RETRY_NANOS);
  }

  /** Forgets what waits. */
  clear(): void {
    this.#queue.length = 0;
    this.#unresolved.length = 0;
    this.#alarm.cancel();
  }

  /** @returns whether everything was taken */
  #drain(): boolean {
    let done = 0;
    for (const { frame, offload } of this.#queue) {
      if (this.#receive(frame, offload) === false) break;
      done++;
    }
    this.#queue.splice(0, done);
    return this.#queue.length === 0;
  }

  #sendResolved(key: string): void {
    const ready = this.#unresolved.filter(({ target }) => keyOf(target) === key);
    if (ready.length === 0) return;
    const rest = this.#unresolved.filter((entry) => !ready.includes(entry));
    this.#unresolved.splice(0, this.#unresolved.length, ...rest);
    for (const { target, waiting } of ready) this.sendIp(waiting.frame, target, waiting.offload);
  }
}

/** Bytes as a key of a map. */
export function keyOf(bytes: Uint8Array): string {
  return String.fromCharCode.apply(undefined, bytes as unknown as number[]);
}

/** The station address of a group (RFC 1112 section 6.4, RFC 2464 section 7), or undefined for a single host. */
function multicastMac(address: Uint8Array): Uint8Array | undefined {
  if (address.length !== IPV4_BYTES) {
    if (address[0] !== 0xff) return undefined;
    const mac = new Uint8Array(MAC_BYTES).fill(0x33);
    mac.set(address.subarray(12), 2);
    return mac;
  }
  if (address.every((byte) => byte === 0xff)) return BROADCAST_MAC;
  if (address[0] >> 4 !== 14) return undefined;
  return Uint8Array.of(0x01, 0x00, 0x5e, address[1] & 0x7f, address[2], address[3]);
}
