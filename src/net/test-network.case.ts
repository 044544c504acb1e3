import { formatAddress, parseAddress } from '../base/ip-address.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { ETHERNET_HEADER_BYTES, ETHERTYPE, get16, putEthernetHeader } from './ethernet.ts';
import type {
  DatagramReceiver,
  HostDatagrams,
  HostEndpoint,
  HostStream,
  IncomingStream,
  NetHost,
  StreamListener,
} from './interfaces.ts';
import { headerBytesOf, type IpPacket, type IpPath, IpWriter, PROTOCOL, parseIpv4, parseIpv6 } from './ip.ts';
import {
  parseTcp,
  putTcpChecksum,
  putTcpHeader,
  type TcpHeader,
  type TcpSegment,
  tcpHeaderBytes,
} from './tcp/segment.ts';
import { makeUdp, parseUdp } from './udp.ts';
import { UserNetwork, type UserNetworkOptions } from './user-network.ts';

export const NETWORK_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
export const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);

/** An address from its text, which must be right. */
export function ip(text: string): Uint8Array<ArrayBuffer> {
  return parseAddress(text) ?? new Uint8Array(0);
}

/** A stream of the host that a test plays. */
export class TestStream implements HostStream {
  readonly listener: StreamListener;
  queuedBytes = 0;
  written: Uint8Array[] = [];
  ended = false;
  wasReset = false;
  flows = true;

  constructor(listener: StreamListener) {
    this.listener = listener;
  }

  /** Everything that was written, as text. */
  get text(): string {
    return this.written.map((bytes) => new TextDecoder().decode(bytes)).join('');
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes.slice());
  }

  end(): void {
    this.ended = true;
  }

  reset(): void {
    this.wasReset = true;
  }

  setFlowing(flows: boolean): void {
    this.flows = flows;
  }
}

/** A host that a test plays. */
export class TestHost implements NetHost {
  readonly streams: TestStream[] = [];
  readonly connected: string[] = [];
  readonly sockets: { readonly receive: DatagramReceiver; readonly sent: string[]; closed: boolean }[] = [];
  readonly names = new Map<string, readonly string[]>();
  /** What the name server answers. */
  answer: Uint8Array | undefined;

  connect(to: HostEndpoint, listener: StreamListener): HostStream {
    this.connected.push(`${formatAddress(to.address)} ${to.port}`);
    const stream = new TestStream(listener);
    this.streams.push(stream);
    return stream;
  }

  openDatagrams(_isIpv6: boolean, receive: DatagramReceiver): HostDatagrams {
    const socket = { receive, sent: [] as string[], closed: false };
    this.sockets.push(socket);
    return {
      send: (bytes, { address, port }) => {
        socket.sent.push(`${formatAddress(address)} ${port} ${new TextDecoder().decode(bytes)}`);
      },
      close: () => {
        socket.closed = true;
      },
    };
  }

  async lookUp(name: string, isIpv6: boolean): Promise<readonly Uint8Array[]> {
    const texts = this.names.get(name) ?? [];
    return texts.map(ip).filter(({ length }) => (length === 16) === isIpv6);
  }

  async queryDns(): Promise<Uint8Array> {
    if (!this.answer) throw new Error('no answer');
    return this.answer;
  }
}

/** A network, and a guest on it that sends what a test says and keeps what it gets. */
export class TestNetwork {
  readonly clock = new ManualClock();
  readonly host = new TestHost();
  readonly network: UserNetwork;
  /** Frames that came and were not looked at yet. */
  readonly frames: Uint8Array[] = [];
  /** Whether the guest's card has room. */
  hasRoom = true;
  readonly #writer = new IpWriter();

  constructor(options: Partial<UserNetworkOptions> = {}) {
    this.network = new UserNetwork({ host: this.host, clock: this.clock, seed: 1n, ...options });
    this.network.port.onFrame((frame) => {
      if (this.hasRoom) this.frames.push(frame);
      return this.hasRoom;
    });
  }

  /** Lets time pass, and everything that is due happen. */
  wait(millis = 0): void {
    this.clock.advanceTo(this.clock.nowNanos() + BigInt(Math.round(millis * 1e6)));
  }

  /** Lets promises of the host settle too. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 10; turns++) await Promise.resolve();
    this.wait();
  }

  /** The guest sends a frame. */
  sendFrame(frame: Uint8Array): void {
    this.network.port.send(frame);
    this.wait();
  }

  /** The guest sends the frames of an IP packet. */
  sendPacket(path: IpPath, protocol: number, payload: Uint8Array, hopLimit = 255): void {
    for (const frame of this.#writer.frames(path, protocol, payload, hopLimit)) this.#send(frame, path);
  }

  sendUdp(path: IpPath, sourcePort: number, targetPort: number, text: string | Uint8Array): void {
    const data = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    this.sendPacket(path, PROTOCOL.udp, makeUdp(path, sourcePort, targetPort, data));
  }

  sendTcp(path: IpPath, header: TcpHeader, text = ''): void {
    const data = new TextEncoder().encode(text);
    const frame = this.#writer.frame(path, PROTOCOL.tcp, tcpHeaderBytes(header) + data.length);
    const at = headerBytesOf(path);
    putTcpHeader(frame, at, header);
    frame.set(data, at + tcpHeaderBytes(header));
    putTcpChecksum(frame, at, path, false);
    this.#send(frame, path);
  }

  /** Takes what came: IP packets only. */
  packets(): IpPacket[] {
    return this.frames.splice(0).flatMap((frame) => {
      const body = frame.subarray(ETHERNET_HEADER_BYTES);
      const packet = get16(frame, 12) === ETHERTYPE.ipv4 ? parseIpv4(body) : parseIpv6(body);
      return packet ? [packet] : [];
    });
  }

  /** Takes the TCP segments that came. */
  segments(): TcpSegment[] {
    return this.packets().flatMap((packet) =>
      packet.protocol === PROTOCOL.tcp ? (parseTcp(packet, false) ?? []) : [],
    );
  }

  /** Takes the datagrams that came, as `source port > port text`. */
  datagrams(): string[] {
    return this.packets().flatMap((packet) => {
      const datagram = packet.protocol === PROTOCOL.udp ? parseUdp(packet, false) : undefined;
      if (!datagram) return [];
      const { source, sourcePort, targetPort, data } = datagram;
      return [`${formatAddress(source)} ${sourcePort} > ${targetPort} ${new TextDecoder().decode(data)}`];
    });
  }

  /** A stream from outside comes to a port of the guest. */
  forward(port: number): TestStream {
    const streams: TestStream[] = [];
    const open: IncomingStream = (listener) => {
      streams.push(new TestStream(listener));
      return streams[0];
    };
    this.network.forwardStream(open, port);
    return streams[0];
  }

  #send(frame: Uint8Array, { source }: IpPath): void {
    putEthernetHeader(frame, NETWORK_MAC, GUEST_MAC, source.length === 4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6);
    this.sendFrame(frame);
  }
}
