import { formatAddress, IPV4_BYTES, IPV6_BYTES, isInCidr, parseAddress } from '../base/ip-address.ts';
import { SplitMix64 } from '../base/random.ts';
import { requireVersion } from '../base/state-version.ts';
import type { Clock, DeviceState, FrameOffload, NetPort } from '../machine/interfaces.ts';
import { answerArp, requestArp } from './arp.ts';
import { DatagramForwards } from './datagram-forwards.ts';
import { DatagramTable, type DeliverDatagram } from './datagrams.ts';
import { type BootAdvice, DHCP_PORT, DhcpServer } from './dhcp.ts';
import { answerDhcpv6, DHCPV6_PORT } from './dhcpv6.ts';
import { DNS_PORT, DnsForwarder } from './dns.ts';
import { DnsStream } from './dns-stream.ts';
import { ETHERNET_HEADER_BYTES, ETHERTYPE, get16, isMulticast, MAC_BYTES, sameBytes } from './ethernet.ts';
import { HTTP_PORT, HttpServer } from './http/server.ts';
import { echoReply, type Unreachable, unreachable } from './icmp.ts';
import type {
  ForwardedDatagram,
  ForwardTarget,
  HostEndpoint,
  HostStream,
  IncomingStream,
  NetHost,
  StreamListener,
} from './interfaces.ts';
import { type IpPacket, type IpPath, IpWriter, PROTOCOL, parseIpv4, parseIpv6 } from './ip.ts';
import { GuestLink } from './link.ts';
import { answerNdp, NDP_HOP_LIMIT, type NdpReply, type RouterSettings, solicit } from './ndp.ts';
import { Policy, type Rule } from './policy.ts';
import { Reassembly } from './reassembly.ts';
import { isUrl, type OpenServedFile } from './served-files.ts';
import type { TcpPath } from './tcp/connection.ts';
import { type SavedConnection, TcpTable } from './tcp/table.ts';
import { TFTP_PORT, TftpServer } from './tftp.ts';
import { Timers } from './timers.ts';
import { type Datagram, makeUdp, parseUdp } from './udp.ts';

/** What a user-mode network is made for. */
export interface UserNetworkOptions {
  readonly host: NetHost;
  readonly clock: Clock;
  /** Seeds sequence numbers and the like: 64 bits. */
  readonly seed: bigint;
  /** The guest reaches nothing outside, the host included; forwarded ports go on working. */
  readonly restrict?: boolean;
  readonly rules?: readonly Rule[];
  /** What machines that boot from the network find. */
  readonly boot?: NetworkBoot;
}

/** What machines that boot from the network are given. */
export interface NetworkBoot {
  /** Opens files that are handed out by TFTP and HTTP; absent: there are none. */
  readonly openFile?: OpenServedFile;
  /** What a machine is told to load: a name of these files, or a URL of anything. */
  readonly fileName?: string;
}

/** The addresses of the network, the same as QEMU's. */
const ADDRESS = {
  network: { address: ip('10.0.2.0'), prefixBits: 24 },
  netmask: ip('255.255.255.0'),
  host: ip('10.0.2.2'),
  nameServer: ip('10.0.2.3'),
  bootServer: ip('10.0.2.4'),
  guest: ip('10.0.2.15'),
  everybody: ip('255.255.255.255'),
  broadcast: ip('10.0.2.255'),
  network6: { address: ip('fec0::'), prefixBits: 64 },
  host6: ip('fec0::2'),
  nameServer6: ip('fec0::3'),
  bootServer6: ip('fec0::4'),
  linkLocal: ip('fe80::2'),
} as const;
/** What the host calls itself. */
const LOOPBACK = { v4: ip('127.0.0.1'), v6: ip('::1') } as const;
/** The network's station. */
const MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
const SMALLEST_PORT = 1;
const STATE_VERSION = 1;
/** What IPv6 addresses of groups begin with. */
const MULTICAST6 = 0xff;

/** Addresses that never lead to a single host of the outside. */
const NOWHERE = [
  { address: ip('0.0.0.0'), prefixBits: 8 },
  { address: ip('127.0.0.0'), prefixBits: 8 },
  { address: ip('224.0.0.0'), prefixBits: 3 },
  { address: ip('fe80::'), prefixBits: 10 },
  { address: ip('ff00::'), prefixBits: 8 },
  { address: ip('::'), prefixBits: 127 },
  { address: ip('::ffff:0:0'), prefixBits: 96 },
] as const;

function ip(text: string): Uint8Array<ArrayBuffer> {
  const address = parseAddress(text);
  if (!address) throw new RangeError(`${text} is not an address`);
  return address;
}

/**
 * A network for one guest that needs no privilege on the host: the guest finds a router, a DHCP and a name server, and its
 * connections and datagrams go on as sockets of the host. Addresses are those that QEMU's user network has.
 *
 * Nothing that the guest sends makes it throw, and everything it keeps is bounded.
 */
export class UserNetwork implements ForwardTarget {
  readonly #options: UserNetworkOptions;
  readonly #link: GuestLink;
  readonly #writer = new IpWriter();
  readonly #tcp: TcpTable;
  readonly #datagrams: DatagramTable;
  readonly #forwards: DatagramForwards;
  readonly #reassembly: Reassembly;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsForwarder;
  readonly #policy: Policy;
  readonly #tftp: TftpServer | undefined;
  readonly #http: HttpServer | undefined;
  readonly #router: RouterSettings;

  constructor(options: UserNetworkOptions) {
    const { clock, host, restrict = false, boot } = options;
    const timers = new Timers(clock);
    const random = new SplitMix64(options.seed);
    this.#options = options;
    this.#policy = new Policy(options.rules ?? []);
    this.#link = new GuestLink(clock, MAC, {
      received: (frame, offload) => this.#received(frame, offload),
      flushing: () => this.#tcp.acknowledgeAll(),
      roomAgain: () => this.#tcp.roomAgain(),
      resolve: (address) => this.#resolve(address),
    });
    this.#reassembly = new Reassembly(timers);
    this.#tcp = new TcpTable({
      link: this.#link,
      writer: this.#writer,
      timers,
      random: () => Number(random.next() & 0xffffffffn),
      route: (path) => this.#route(path),
      noWay: (path) => this.#noWay(path),
    });
    const deliver: DeliverDatagram = (path, from, to, data) => this.#fromOutside(path, from, to, data);
    this.#datagrams = new DatagramTable({ host, timers, deliver });
    this.#forwards = new DatagramForwards(timers, deliver);
    this.#dhcp = new DhcpServer({
      server: ADDRESS.host,
      router: restrict ? undefined : ADDRESS.host,
      nameServer: restrict ? undefined : ADDRESS.nameServer,
      netmask: ADDRESS.netmask,
      first: ADDRESS.guest,
      boot: boot && bootAdvice(boot),
    });
    if (boot?.openFile) {
      this.#tftp = new TftpServer(timers, boot.openFile);
      this.#http = new HttpServer(boot.openFile);
    }
    this.#dns = new DnsForwarder({
      host,
      mayResolve: (name) => this.#policy.mayResolve(name),
      resolved: (name, address) => this.#policy.learn(name, address),
    });
    this.#router = {
      mac: MAC,
      linkLocal: ADDRESS.linkLocal,
      prefix: ADDRESS.network6.address,
      nameServer: restrict ? undefined : ADDRESS.nameServer6,
      isRouter: !restrict,
    };
  }

  /** The end of the cable that the guest's card is plugged into. */
  get port(): NetPort {
    return this.#link;
  }

  forwardStream(stream: IncomingStream, port: number, address: Uint8Array = ADDRESS.guest): boolean {
    return this.#tcp.connect(this.#hostAddress(address), address, port, stream);
  }

  forwardDatagram(datagram: ForwardedDatagram, port: number, address: Uint8Array = ADDRESS.guest): void {
    this.#forwards.receive(datagram, this.#hostAddress(address), { address, port });
  }

  /** What the guest knows of the host by this network: the connections that are open. The sockets behind them are not saved. */
  save(): DeviceState {
    return { version: STATE_VERSION, connections: this.#tcp.save() };
  }

  /** Tells the guest, as soon as it runs, that the connections it had when it was saved are broken.
   * @throws {Error} the record is of an unknown version */
  restore({ version, connections }: DeviceState): void {
    requireVersion('UserNetwork', version, STATE_VERSION);
    this.#tcp.break(connections as readonly SavedConnection[]);
  }

  /** Breaks all connections and forgets what waits. */
  close(): void {
    this.#tcp.clear();
    this.#datagrams.clear();
    this.#link.clear();
  }

  #hostAddress(guest: Uint8Array): Uint8Array {
    return guest.length === IPV4_BYTES ? ADDRESS.host : ADDRESS.host6;
  }

  #received(frame: Uint8Array, offload: FrameOffload | undefined): void {
    const target = frame.subarray(0, MAC_BYTES);
    if (frame.length < ETHERNET_HEADER_BYTES || !(isMulticast(target) || sameBytes(target, MAC))) return;
    const type = get16(frame, 12);
    const body = frame.subarray(ETHERNET_HEADER_BYTES);
    if (type === ETHERTYPE.arp) answerArp(this.#link, body, (address) => this.#isOurs(address));
    else if (type === ETHERTYPE.ipv4 || type === ETHERTYPE.ipv6) {
      const packet = type === ETHERTYPE.ipv4 ? parseIpv4(body) : parseIpv6(body);
      if (packet) this.#receivedPacket(packet, frame.subarray(MAC_BYTES, 2 * MAC_BYTES), offload !== undefined);
    }
  }

  #receivedPacket(packet: IpPacket, mac: Uint8Array, trusted: boolean): void {
    if (this.#isGuests(packet.source)) this.#link.learn(packet.source, mac);
    const whole = packet.fragment ? this.#reassembly.add(packet) : packet;
    if (!whole) return;
    const isIpv6 = whole.source.length === IPV6_BYTES;
    if (whole.protocol === PROTOCOL.tcp && this.#isGuests(whole.source)) this.#tcp.receive(whole, trusted);
    else if (whole.protocol === PROTOCOL.udp) {
      const datagram = parseUdp(whole, trusted);
      if (datagram) this.#receivedDatagram(datagram);
    } else if (whole.protocol === (isIpv6 ? PROTOCOL.icmpv6 : PROTOCOL.icmp)) this.#receivedIcmp(whole, mac);
  }

  #receivedIcmp(packet: IpPacket, mac: Uint8Array): void {
    const ndp =
      packet.source.length === IPV6_BYTES
        ? answerNdp(packet, this.#router, (address) => this.#isOurs(address))
        : undefined;
    if (ndp) {
      if (ndp.mac && this.#isGuests(packet.source)) this.#link.learn(packet.source, ndp.mac);
      if (ndp.reply) this.#sendNdp(ndp.reply, isZero(packet.source) ? undefined : mac);
      return;
    }
    const reply = echoReply(packet);
    if (!reply) return;
    if (this.#isOurs(packet.target)) this.#sendPacket(turned(packet), packet.protocol, reply);
    else if (!this.#isBroadcast(packet.target)) this.#refuse(packet, 'prohibited');
  }

  #receivedDatagram(datagram: Datagram): void {
    const { target, targetPort, data } = datagram;
    const isIpv6 = target.length === IPV6_BYTES;
    if (!isIpv6 && targetPort === DHCP_PORT.server && (this.#isOurs(target) || this.#isBroadcast(target))) {
      this.#answerDhcp(data);
      return;
    }
    if (isIpv6 && targetPort === DHCPV6_PORT.server && (this.#isOurs(target) || target[0] === MULTICAST6)) {
      this.#answerDhcpv6(datagram);
      return;
    }
    const isBounded = this.#isGuests(datagram.source) && !this.#isBroadcast(target);
    if (!isBounded || datagram.sourcePort < SMALLEST_PORT || targetPort < SMALLEST_PORT) return;
    if (targetPort === DNS_PORT && this.#isNameServer(target)) this.#answerDns(datagram);
    else if (targetPort === TFTP_PORT && this.#tftp && this.#isOurs(target)) this.#answerTftp(this.#tftp, datagram);
    else if (!this.#isOurs(target) || !this.#forwards.answer(datagram)) this.#sendOutside(datagram);
  }

  #sendOutside(datagram: Datagram): void {
    const to = this.#outside(datagram.target, datagram.targetPort);
    if (typeof to === 'string') this.#refuse(datagram.packet, to);
    else this.#datagrams.send(datagram, to);
  }

  #answerDhcp(data: Uint8Array): void {
    const reply = this.#dhcp.answer(data);
    if (!reply) return;
    const path = { source: ADDRESS.host, target: reply.target };
    const bytes = makeUdp(path, DHCP_PORT.server, DHCP_PORT.client, reply.message);
    const frames = this.#writer.frames(path, PROTOCOL.udp, bytes);
    for (const frame of frames) this.#link.sendTo(frame, reply.mac, ETHERTYPE.ipv4);
  }

  #answerDhcpv6({ source, sourcePort, data }: Datagram): void {
    const message = this.#isGuests(source) ? answerDhcpv6(data, this.#router) : undefined;
    const path = { source: ADDRESS.linkLocal, target: source.slice() };
    if (message) this.#sendPacket(path, PROTOCOL.udp, makeUdp(path, DHCPV6_PORT.server, sourcePort, message));
  }

  #answerTftp(server: TftpServer, datagram: Datagram): void {
    const path = turned(datagram);
    const { sourcePort, data } = datagram;
    const client = `${formatAddress(path.target)} ${sourcePort}`;
    server.receive(client, data, (message) => {
      this.#sendPacket(path, PROTOCOL.udp, makeUdp(path, TFTP_PORT, sourcePort, message));
    });
  }

  #answerDns(datagram: Datagram): void {
    if (this.#options.restrict) return;
    const path = { source: datagram.target.slice(), target: datagram.source.slice() };
    const { sourcePort, targetPort } = datagram;
    void this.#dns.answer(datagram.data.slice(), true).then((reply) => {
      if (reply) this.#fromOutside(path, targetPort, sourcePort, reply);
    });
  }

  /** How a connection goes on that the guest opens. */
  #route(path: TcpPath): ((listener: StreamListener) => HostStream) | undefined {
    if (path.sourcePort === DNS_PORT && this.#isNameServer(path.source) && !this.#options.restrict) {
      return (listener) => new DnsStream(this.#dns, listener);
    }
    const http = this.#http;
    if (http && path.sourcePort === HTTP_PORT && isBootServer(path.source)) return (listener) => http.connect(listener);
    const to = this.#outside(path.source, path.sourcePort);
    return typeof to === 'string' ? undefined : (listener) => this.#options.host.connect(to, listener);
  }

  /** Where the outside has what the guest calls so, or why the guest may not go there. */
  #outside(address: Uint8Array, port: number): HostEndpoint | Unreachable {
    if (this.#options.restrict || !this.#policy.mayReach(address, port)) return 'prohibited';
    if (sameBytes(address, ADDRESS.host)) return { address: LOOPBACK.v4, port };
    if (sameBytes(address, ADDRESS.host6)) return { address: LOOPBACK.v6, port };
    const isHere = isInCidr(address, ADDRESS.network) || isInCidr(address, ADDRESS.network6);
    if (isHere || NOWHERE.some((range) => isInCidr(address, range))) return 'host';
    return { address: address.slice(), port };
  }

  #noWay({ source, target }: TcpPath): void {
    const empty = new Uint8Array(0);
    const packet = {
      source: target,
      target: source,
      protocol: PROTOCOL.tcp,
      hopLimit: 0,
      payload: empty,
      bytes: empty,
    };
    this.#refuse(packet, 'noRoute');
  }

  #refuse(packet: IpPacket, why: Unreachable): void {
    const isIpv6 = packet.source.length === IPV6_BYTES;
    const path = { source: isIpv6 ? ADDRESS.host6 : ADDRESS.host, target: packet.source.slice() };
    this.#sendPacket(path, isIpv6 ? PROTOCOL.icmpv6 : PROTOCOL.icmp, unreachable(packet, why, path));
  }

  #fromOutside(path: IpPath, sourcePort: number, targetPort: number, data: Uint8Array): void {
    this.#sendPacket(path, PROTOCOL.udp, makeUdp(path, sourcePort, targetPort, data));
    this.#link.flush();
  }

  #sendPacket(path: IpPath, protocol: number, payload: Uint8Array): void {
    for (const frame of this.#writer.frames(path, protocol, payload)) this.#link.sendIp(frame, path.target);
  }

  /** @param mac where it goes; absent: to the whole group */
  #sendNdp({ path, message }: NdpReply, mac?: Uint8Array): void {
    const [frame] = this.#writer.frames(path, PROTOCOL.icmpv6, message, NDP_HOP_LIMIT);
    if (mac && path.target[0] !== 0xff) this.#link.sendTo(frame, mac, ETHERTYPE.ipv6);
    else this.#link.sendIp(frame, path.target);
  }

  #resolve(address: Uint8Array): void {
    if (address.length === IPV4_BYTES) requestArp(this.#link, ADDRESS.host, address);
    else this.#sendNdp(solicit(this.#router, address));
  }

  #isOurs(address: Uint8Array): boolean {
    return OWN_ADDRESSES.some((own) => sameBytes(own, address)) || (this.#http !== undefined && isBootServer(address));
  }

  #isNameServer(address: Uint8Array): boolean {
    return sameBytes(address, ADDRESS.nameServer) || sameBytes(address, ADDRESS.nameServer6);
  }

  #isBroadcast(address: Uint8Array): boolean {
    if (address.length === IPV6_BYTES) return address[0] === 0xff;
    return address[0] >> 4 === 14 || sameBytes(address, ADDRESS.everybody) || sameBytes(address, ADDRESS.broadcast);
  }

  /** Whether an address may be a guest's: on this network, and none of ours. */
  #isGuests(address: Uint8Array): boolean {
    if (address.length === IPV4_BYTES) return isInCidr(address, ADDRESS.network) && !this.#isOurs(address);
    const isLocal = (address[0] === 0xfe && address[1] >> 6 === 2) || isInCidr(address, ADDRESS.network6);
    return isLocal && !this.#isOurs(address);
  }
}

const OWN_ADDRESSES = [
  ADDRESS.host,
  ADDRESS.nameServer,
  ADDRESS.host6,
  ADDRESS.nameServer6,
  ADDRESS.linkLocal,
] as const;

/** A name is loaded from the boot server, by what a client knows. */
function bootAdvice({ fileName }: NetworkBoot): BootAdvice {
  const server = ADDRESS.bootServer;
  if (fileName === undefined) return { server };
  if (isUrl(fileName)) return { server, url: fileName };
  const path = fileName.split(/[\\/]/).filter(Boolean).map(encodeURIComponent);
  return { server, fileName, url: `http://${formatAddress(server)}/${path.join('/')}` };
}

function isBootServer(address: Uint8Array): boolean {
  return sameBytes(address, ADDRESS.bootServer) || sameBytes(address, ADDRESS.bootServer6);
}

function turned({ source, target }: IpPath): IpPath {
  return { source: target.slice(), target: source.slice() };
}

function isZero(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0);
}
