import type { HostFailure, HostStream, StreamListener } from '../interfaces.ts';
import type { IpPath } from '../ip.ts';
import type { Timer, Timers } from '../timers.ts';
import { Receiver } from './receiver.ts';
import { FLAG, type TcpHeader, type TcpSegment } from './segment.ts';
import { Sender, type SenderWire } from './sender.ts';
import { advance, distance } from './sequence.ts';

/** What the window is scaled by: up to 8 MiB can be said. */
const WINDOW_SHIFT = 7;
const MOST_UNSCALED = 0xffff;
/** The segments that a side may send that has heard of no size (RFC 9293 section 3.7.1). */
const DEFAULT_MSS = 536;
const SMALLEST_MSS = 64;
const HANDSHAKE_MILLIS = 1000;
/** With the first after a second and each next after twice as long, 127 s in all: what Linux waits by tcp_syn_retries. */
const MOST_HANDSHAKES = 7;
/** How long segments that come after the end are answered. */
const TIME_WAIT_MILLIS = 2000;

/** Who talks to whom: the source is the network's side, the target the guest. */
export interface TcpPath extends IpPath {
  readonly sourcePort: number;
  readonly targetPort: number;
}

/** What connections share. */
export interface TcpWire {
  readonly timers: Timers;
  /** Whether there is room for data on the link; when not, the connection's `pump` is called when there is. */
  hasRoom(connection: Connection): boolean;
  /** Most bytes of data that the link takes in a segment. @param mss of the connection */
  largest(mss: number): number;
  /** Most bytes of data in an ordinary segment. */
  mssOf(path: TcpPath): number;
  /** Bytes that a connection may keep in each direction now. */
  bufferBytes(): number;
  initialSequence(): number;
  /** Sends a segment of `length` bytes of data, which `fill` provides. */
  transmit(path: TcpPath, header: TcpHeader, mss: number, length: number, fill?: (target: Uint8Array) => void): void;
  /** Has `acknowledge` called when the guest's access is over, unless a segment goes out before. */
  acknowledgeSoon(connection: Connection): void;
  /** A segment has gone out, which acknowledges too. */
  acknowledged(connection: Connection): void;
  /** Something came from outside: what was sent because of it can go now. */
  outsideDone(): void;
  /** The target's SYN cannot be answered: there is no way. */
  noWay(path: TcpPath): void;
  closed(connection: Connection): void;
}

/** The state before both sides have agreed, and the end; between them, both halves have states of their own. */
type State = 'opening' | 'synSent' | 'synReceived' | 'open' | 'timeWait' | 'closed';

/** One TCP connection between the guest and the network, and the stream of the host behind it (RFC 9293). */
export class Connection implements StreamListener {
  readonly path: TcpPath;
  readonly #wire: TcpWire;
  readonly #timer: Timer;
  readonly #initial: number;
  #stream: HostStream | undefined;
  #state: State;
  #mss: number = DEFAULT_MSS;
  #windowShifts: { readonly ours: number; readonly theirs: number } = { ours: 0, theirs: 0 };
  #usesSacks = false;
  #sender: Sender | undefined;
  #receiver: Receiver | undefined;
  /** The handshake's own segments: what the guest's SYN said, and how often ours was sent. */
  #syn: TcpSegment | undefined;
  #handshakes = 0;
  /** Whether the stream hands out data: it begins when the connection is open. */
  #flows = false;
  /** What the stream handed out, or that it ended, before the connection was open. */
  readonly #early: Uint8Array[] = [];
  #endedEarly = false;

  private constructor(wire: TcpWire, path: TcpPath, state: State) {
    this.#wire = wire;
    this.path = path;
    this.#state = state;
    this.#initial = wire.initialSequence();
    this.#timer = wire.timers.create(() => this.#timeout());
  }

  /** A connection that the guest opens: it is answered once the stream is open.
   * @param open opens the stream to where the guest wants  */
  static accept(
    wire: TcpWire,
    path: TcpPath,
    syn: TcpSegment,
    open: (listener: StreamListener) => HostStream,
  ): Connection {
    const connection = new Connection(wire, path, 'opening');
    connection.#hearSyn(syn);
    connection.#openStream(open);
    return connection;
  }

  /** A connection to the guest, for a stream that came from outside. */
  static connect(wire: TcpWire, path: TcpPath, open: (listener: StreamListener) => HostStream): Connection {
    const connection = new Connection(wire, path, 'synSent');
    connection.#mss = wire.mssOf(path);
    connection.#openStream(open);
    connection.#sendSyn();
    return connection;
  }

  /** Whether nothing is lost when the connection is forgotten. */
  get isOver(): boolean {
    return this.#state === 'timeWait' || this.#state === 'closed';
  }

  /** How a segment is numbered that the guest answers by saying where it is, if it has this connection (RFC 9293 section 3.8.4);
   * undefined where it is over, or the guest asks again anyway. */
  get probe(): { readonly sequence: number; readonly acknowledgment: number } | undefined {
    if (this.isOver || this.#state === 'opening') return undefined;
    const sequence = this.#sender ? advance(this.#sender.unacknowledged, -1) : this.#initial;
    return { sequence, acknowledgment: this.#receiver?.next ?? 0 };
  }

  opened(): void {
    if (this.#state === 'opening') {
      this.#state = 'synReceived';
      this.#sendSyn();
    }
    this.#wire.outsideDone();
  }

  data(bytes: Uint8Array): void {
    if (this.#sender) this.#sender.write(bytes, this.#largest);
    else this.#early.push(bytes);
    this.#throttle();
    this.#wire.outsideDone();
  }

  ended(): void {
    if (this.#sender) this.#sender.finish(this.#largest);
    else this.#endedEarly = true;
    this.#wire.outsideDone();
  }

  drained(): void {
    const receiver = this.#receiver;
    if (this.#state === 'open' && receiver && !receiver.finished) {
      const grows = this.#freeBytes - receiver.window;
      if (grows >= Math.min(2 * this.#mss, this.#wire.bufferBytes() / 2)) this.#wire.acknowledgeSoon(this);
    }
    this.#wire.outsideDone();
  }

  failed(why: HostFailure): void {
    this.#stream = undefined;
    const hasNoWay = this.#state === 'opening' && why !== 'refused' && why !== 'reset';
    if (hasNoWay) {
      this.#wire.noWay(this.path);
      this.#end();
    } else this.#abort();
    this.#wire.outsideDone();
  }

  /** Takes a segment from the guest. */
  receive(segment: TcpSegment): void {
    switch (this.#state) {
      case 'opening':
        if (segment.flags & FLAG.rst) this.#end();
        break;
      case 'synSent':
        this.#receiveInSynSent(segment);
        break;
      case 'timeWait':
        this.#wire.acknowledgeSoon(this);
        break;
      case 'synReceived':
      case 'open':
        this.#receiveInOrder(segment);
    }
  }

  /** Sends what waits for room. */
  pump(): void {
    this.#sender?.pump(this.#largest);
  }

  /** Sends an acknowledgment without data. */
  acknowledge(): void {
    if (this.#receiver && this.#state !== 'closed') {
      this.#send(FLAG.ack, this.#sender?.next ?? advance(this.#initial, 1));
    }
  }

  /** Breaks the connection for both sides. */
  abort(): void {
    this.#abort();
  }

  /** How far the guest's sequence numbers have come, to tell whether a new SYN is one of a new connection. */
  startsAnew(syn: TcpSegment): boolean {
    return this.#state === 'timeWait' && distance(syn.sequence, this.#receiver?.next ?? 0) > 0;
  }

  #openStream(open: (listener: StreamListener) => HostStream): void {
    this.#stream = open(this);
    this.#stream.setFlowing(false);
  }

  get #largest(): number {
    return this.#wire.largest(this.#mss);
  }

  get #freeBytes(): number {
    return Math.max(0, this.#wire.bufferBytes() - (this.#stream?.queuedBytes ?? 0));
  }

  /** Remembers what the guest's SYN says. */
  #hearSyn(syn: TcpSegment): void {
    this.#syn = syn;
    const most = this.#wire.mssOf(this.path);
    this.#mss = Math.max(SMALLEST_MSS, Math.min(most, syn.mss ?? DEFAULT_MSS));
    this.#usesSacks = syn.sackPermitted ?? false;
    if (syn.windowShift !== undefined) this.#windowShifts = { ours: WINDOW_SHIFT, theirs: syn.windowShift };
    this.#receiver = new Receiver(advance(syn.sequence, 1));
  }

  /** SYN, with ACK where the guest's SYN has come: options only as the guest offers them. */
  #sendSyn(): void {
    const answers = this.#syn !== undefined;
    const header = {
      ...this.#header(answers ? FLAG.syn | FLAG.ack : FLAG.syn, this.#initial),
      window: answers ? Math.min(MOST_UNSCALED, this.#openWindow(0)) : MOST_UNSCALED,
      mss: this.#wire.mssOf(this.path),
      windowShift: answers && this.#syn?.windowShift === undefined ? undefined : WINDOW_SHIFT,
      sackPermitted: answers ? this.#usesSacks : true,
    };
    this.#wire.transmit(this.path, header, this.#mss, 0);
    this.#timer.arm(HANDSHAKE_MILLIS * 2 ** this.#handshakes);
  }

  #receiveInSynSent(segment: TcpSegment): void {
    const { flags, acknowledgment } = segment;
    const acknowledges = (flags & FLAG.ack) !== 0;
    if (acknowledges && acknowledgment !== advance(this.#initial, 1)) {
      if (!(flags & FLAG.rst)) this.#sendReset(acknowledgment);
      return;
    }
    if (flags & FLAG.rst) {
      if (acknowledges) this.#abort();
      return;
    }
    if (!(flags & FLAG.syn)) return;
    this.#hearSyn(segment);
    if (acknowledges) {
      this.#establish(segment.window);
      this.#wire.acknowledgeSoon(this);
    } else {
      this.#state = 'synReceived'; // both have opened at once
      this.#sendSyn();
    }
  }

  #receiveInOrder(segment: TcpSegment): void {
    const { sequence, flags, data } = segment;
    const receiver = this.#receiver;
    if (!receiver) return;
    const length = data.length + (flags & FLAG.fin ? 1 : 0) + (flags & FLAG.syn ? 1 : 0);
    if (this.#state === 'synReceived' && flags & FLAG.syn && sequence === this.#syn?.sequence) {
      if (flags & FLAG.ack) this.#receiveAcknowledgment(segment, receiver);
      else this.#sendSyn();
    } else if (!receiver.accepts(sequence, length)) {
      if (!(flags & FLAG.rst)) this.acknowledge();
    } else if (flags & FLAG.rst) {
      if (sequence === receiver.next) this.#end();
      else this.acknowledge(); // RFC 5961: let it say that again
    } else if (flags & FLAG.syn) this.acknowledge();
    else if (flags & FLAG.ack) this.#receiveAcknowledgment(segment, receiver);
  }

  #receiveAcknowledgment(segment: TcpSegment, receiver: Receiver): void {
    const { acknowledgment, flags, data } = segment;
    if (this.#state === 'synReceived') {
      if (acknowledgment !== advance(this.#initial, 1)) {
        this.#sendReset(acknowledgment);
        return;
      }
      this.#establish(flags & FLAG.syn ? segment.window : this.#scaled(segment.window));
    }
    const sender = this.#sender;
    if (!sender) return;
    const isBare = data.length === 0 && !(flags & (FLAG.fin | FLAG.syn));
    const sacks = this.#usesSacks ? (segment.sacks ?? []) : [];
    const window = flags & FLAG.syn ? segment.window : this.#scaled(segment.window);
    if (!sender.acknowledge(acknowledgment, window, sacks, isBare)) {
      this.acknowledge();
      return;
    }
    if (!isBare && !(flags & FLAG.syn)) this.#receiveData(segment, receiver);
    sender.pump(this.#largest);
    this.#throttle();
    this.#finishIfDone();
  }

  #receiveData({ sequence, data, flags }: TcpSegment, receiver: Receiver): void {
    const hadGap = receiver.hasGap;
    for (const bytes of receiver.take(sequence, data, (flags & FLAG.fin) !== 0)) this.#stream?.write(bytes);
    if (receiver.finished) this.#stream?.end();
    if (hadGap || receiver.hasGap) this.acknowledge();
    else this.#wire.acknowledgeSoon(this);
  }

  /** The handshake is done. @param window of the guest, in bytes */
  #establish(window: number): void {
    this.#state = 'open';
    this.#timer.cancel();
    const settings = { first: advance(this.#initial, 1), mss: this.#mss, window };
    this.#sender = new Sender(this.#senderWire(), this.#wire.timers, settings);
    for (const bytes of this.#early.splice(0)) this.#sender.write(bytes, this.#largest);
    if (this.#endedEarly) this.#sender.finish(this.#largest);
    this.#throttle();
  }

  #senderWire(): SenderWire {
    const [wire, connection] = [this.#wire, this];
    return {
      get hasRoom(): boolean {
        return wire.hasRoom(connection);
      },
      transmit: (sequence: number, offset: number, length: number, fin: boolean) =>
        this.#transmitData(sequence, offset, length, fin),
      gaveUp: () => this.#abort(),
    };
  }

  #transmitData(sequence: number, offset: number, length: number, fin: boolean): void {
    const flags = FLAG.ack | (length > 0 ? FLAG.psh : 0) | (fin ? FLAG.fin : 0);
    this.#send(flags, sequence, length, (target) => this.#sender?.copy(offset, target));
  }

  #send(flags: number, sequence: number, length = 0, fill?: (target: Uint8Array) => void): void {
    const sacks = this.#usesSacks && length === 0 && this.#receiver?.hasGap ? this.#receiver.sacks : undefined;
    const header = { ...this.#header(flags, sequence), window: this.#openWindow(this.#windowShifts.ours), sacks };
    this.#wire.transmit(this.path, header, this.#mss, length, fill);
    this.#wire.acknowledged(this);
  }

  #header(flags: number, sequence: number): TcpHeader {
    const acknowledgment = flags & FLAG.ack ? (this.#receiver?.next ?? 0) : 0;
    const { sourcePort, targetPort } = this.path;
    return { sourcePort, targetPort, sequence, acknowledgment, flags, window: 0 };
  }

  /** Opens the receive window as far as there is room, in steps that can be said. @returns what the header says */
  #openWindow(shift: number): number {
    const receiver = this.#receiver;
    if (!receiver) return 0;
    const most = MOST_UNSCALED * 2 ** shift;
    const free = Math.min(most, this.#freeBytes);
    const isWorthwhile = free - receiver.window >= Math.min(this.#mss, this.#wire.bufferBytes() / 2);
    if (isWorthwhile) receiver.open(free);
    return Math.min(MOST_UNSCALED, Math.ceil(receiver.window / 2 ** shift));
  }

  #scaled(window: number): number {
    return window * 2 ** this.#windowShifts.theirs;
  }

  /** Has the stream wait while too much of it is kept. */
  #throttle(): void {
    if (!this.#sender) return;
    const kept = this.#sender.bufferedBytes;
    const most = this.#wire.bufferBytes();
    const flows = this.#flows ? kept < most : kept < most / 2;
    if (flows === this.#flows) return;
    this.#flows = flows;
    this.#stream?.setFlowing(flows);
  }

  /** Both sides have said and heard everything: a side that has ended last need not wait. */
  #finishIfDone(): void {
    if (this.#state !== 'open' || !this.#sender?.finAcknowledged || !this.#receiver?.finished) return;
    this.#state = 'timeWait';
    this.#sender.close();
    this.#timer.arm(TIME_WAIT_MILLIS);
  }

  #timeout(): void {
    this.#handshakes++;
    if (this.#state === 'timeWait') this.#end();
    else if (this.#handshakes >= MOST_HANDSHAKES) this.#abort();
    else this.#sendSyn();
  }

  /** Tells both sides that the connection is broken. */
  #abort(): void {
    if (this.#state !== 'closed' && this.#state !== 'timeWait') {
      this.#sendReset(this.#sender?.next ?? (this.#state === 'opening' ? 0 : advance(this.#initial, 1)));
    }
    this.#end();
  }

  #sendReset(sequence: number): void {
    const flags = this.#receiver ? FLAG.rst | FLAG.ack : FLAG.rst;
    this.#wire.transmit(this.path, this.#header(flags, sequence), this.#mss, 0);
  }

  #end(): void {
    if (this.#state === 'closed') return;
    const wasOver = this.#state === 'timeWait';
    this.#state = 'closed';
    this.#timer.cancel();
    this.#sender?.close();
    if (!wasOver) this.#stream?.reset();
    this.#stream = undefined;
    this.#wire.closed(this);
  }
}
