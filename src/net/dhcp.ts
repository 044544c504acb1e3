import { ByteWriter } from '../base/bytes.ts';
import { formatAddress, IPV4_BYTES } from '../base/ip-address.ts';
import { get16, get32, MAC_BYTES, MTU_BYTES, sameBytes } from './ethernet.ts';

/** Ports of server and client (RFC 2131). */
export const DHCP_PORT = { server: 67, client: 68 } as const;
const OPERATION = { request: 1, reply: 2 } as const;
/** Fields of a message (RFC 2131 section 2). */
const FIELD = { operation: 0, hardware: 1, macBytes: 2, flags: 10, clientAddress: 12, gateway: 24, mac: 28 } as const;
const OPTIONS_START = 240;
const MAGIC_AT = 236;
const MAGIC = 0x63825363;
const HARDWARE_ETHERNET = 1;
const FLAG_BROADCAST = 0x8000;
/** What clients that know nothing but BOOTP expect (RFC 1542 section 2.1). */
const SHORTEST_BYTES = 300;

/** Options (RFC 2132, 3004). */
const OPTION = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  nameServer: 6,
  mtu: 26,
  requestedAddress: 50,
  leaseTime: 51,
  messageType: 53,
  server: 54,
  vendorClass: 60,
  tftpServer: 66,
  bootFile: 67,
  userClass: 77,
  end: 255,
} as const;
/** Message types (RFC 2132 section 9.6). */
const TYPE = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;
const LEASE_SECONDS = 86_400;
const MOST_LEASES = 128;

/** What a DHCP server tells its clients. All addresses are IPv4. */
export interface DhcpSettings {
  readonly server: Uint8Array;
  /** Absent: clients are told of no way out. */
  readonly router?: Uint8Array;
  readonly nameServer?: Uint8Array;
  readonly netmask: Uint8Array;
  /** The first address that is given away; the next ones follow it. */
  readonly first: Uint8Array;
  /** What clients that boot from the network are told to load. */
  readonly boot?: BootAdvice;
}

/** Where clients find what they boot. */
export interface BootAdvice {
  /** The IPv4 address of the TFTP server. */
  readonly server: Uint8Array;
  /** For clients that load by TFTP: a name there. */
  readonly fileName?: string;
  /** For clients that know URLs. */
  readonly url?: string;
}

const FILE_FIELD_BYTES = 128;
/** Class of the vendor of UEFI firmware that boots by HTTP, whose answers have it too (UEFI Specification 2.10, section 24.7.2.1), and
 * of clients that boot by PXE. */
const CLASS = { http: 'HTTPClient', pxe: 'PXEClient' } as const;
/** Class of the user of a boot program that takes URLs. */
const CLASS_IPXE = 'iPXE';

/** A message to a client. */
export interface DhcpReply {
  readonly message: Uint8Array;
  /** Where it goes: the address the client has or is given, or all stations. */
  readonly target: Uint8Array;
  readonly mac: Uint8Array;
}

interface Request {
  readonly bytes: Uint8Array;
  readonly mac: Uint8Array;
  readonly type: number | undefined;
  readonly options: ReadonlyMap<number, Uint8Array>;
  /** What the client says its address is; zeros when it has none. */
  readonly clientAddress: Uint8Array;
}

/** A DHCP server (RFC 2131) that gives each station an address of its own and remembers it. */
export class DhcpServer {
  readonly #settings: DhcpSettings;
  /** The n-th address of the range belongs to the n-th entry: a station's address as text. */
  readonly #leases: string[] = [];

  constructor(settings: DhcpSettings) {
    this.#settings = settings;
  }

  /** Answers a message. @returns undefined when it is malformed or wants no answer */
  answer(bytes: Uint8Array): DhcpReply | undefined {
    const request = parseRequest(bytes);
    if (!request) return undefined;
    const server = request.options.get(OPTION.server);
    if (server && !sameBytes(server, this.#settings.server)) return undefined;
    switch (request.type) {
      case undefined: // BOOTP
        return this.#reply(request, undefined, this.#leaseFor(request.mac));
      case TYPE.discover:
        return this.#reply(request, TYPE.offer, this.#leaseFor(request.mac));
      case TYPE.request:
        return this.#confirm(request);
      case TYPE.inform:
        return this.#reply(request, TYPE.ack, undefined);
    }
    return undefined;
  }

  #confirm(request: Request): DhcpReply {
    const lease = this.#leaseFor(request.mac);
    const wanted = request.options.get(OPTION.requestedAddress) ?? request.clientAddress;
    return this.#reply(request, sameBytes(wanted, lease) ? TYPE.ack : TYPE.nak, lease);
  }

  /** The address of a station: its old one, or the next that is free; when none is, the longest used. */
  #leaseFor(mac: Uint8Array): Uint8Array {
    const key = mac.join();
    let index = this.#leases.indexOf(key);
    if (index < 0) {
      index = this.#leases.length < this.#mostLeases ? this.#leases.length : 0;
      this.#leases[index] = key;
    }
    const address = this.#settings.first.slice();
    address[3] += index;
    return address;
  }

  get #mostLeases(): number {
    return Math.min(MOST_LEASES, 255 - this.#settings.first[3]);
  }

  #reply(request: Request, type: number | undefined, lease: Uint8Array | undefined): DhcpReply {
    const isNak = type === TYPE.nak;
    const given = isNak ? undefined : lease;
    const name = isNak ? undefined : this.#bootNameFor(request);
    const writer = new ByteWriter();
    writer.append([OPERATION.reply, HARDWARE_ETHERNET, MAC_BYTES, 0]);
    writer.append(request.bytes.subarray(4, 8)).zeros(2);
    writer.append(request.bytes.subarray(FIELD.flags, FIELD.flags + 2));
    writer.append(isNak ? new Uint8Array(IPV4_BYTES) : request.clientAddress);
    writer.append(given ?? new Uint8Array(IPV4_BYTES));
    writer.append((name !== undefined && this.#settings.boot?.server) || new Uint8Array(IPV4_BYTES));
    writer.append(request.bytes.subarray(FIELD.gateway, FIELD.gateway + 4));
    writer.append(request.mac).zeros(10 + 64);
    writer.text(name !== undefined && name.length < FILE_FIELD_BYTES ? name : '', FILE_FIELD_BYTES);
    writer.append([0x63, 0x82, 0x53, 0x63]);
    this.#putOptions(writer, type, given);
    if (name !== undefined) this.#putBootOptions(writer, name, isHttpClient(request));
    writer.u8(OPTION.end).zeros(Math.max(0, SHORTEST_BYTES - writer.length));
    return { message: writer.finish(), ...this.#destination(request, isNak ? undefined : lease) };
  }

  /** What a client is told to load, by what it says of itself. Who knows nothing of URLs is told none. */
  #bootNameFor(request: Request): string | undefined {
    const { fileName, url } = this.#settings.boot ?? {};
    if (isHttpClient(request)) return url && /^https?:/i.test(url) ? url : undefined;
    if (fileName !== undefined) return fileName;
    const isPlainPxe = classOf(request, OPTION.vendorClass).startsWith(CLASS.pxe) && !isIpxe(request);
    return isPlainPxe ? undefined : url;
  }

  #putOptions(writer: ByteWriter, type: number | undefined, lease: Uint8Array | undefined): void {
    const { server, netmask, router, nameServer } = this.#settings;
    const put = (option: number, bytes: ArrayLike<number> | undefined) => putOption(writer, option, bytes);
    if (type !== undefined) {
      put(OPTION.messageType, [type]);
      put(OPTION.server, server);
    }
    if (type === TYPE.nak) return;
    put(OPTION.subnetMask, netmask);
    put(OPTION.router, router);
    put(OPTION.nameServer, nameServer);
    put(OPTION.mtu, [MTU_BYTES >> 8, MTU_BYTES & 0xff]);
    if (lease && type !== undefined) put(OPTION.leaseTime, [0, LEASE_SECONDS >> 16, LEASE_SECONDS >> 8, LEASE_SECONDS]);
  }

  #putBootOptions(writer: ByteWriter, name: string, isHttp: boolean): void {
    const { server } = this.#settings.boot ?? {};
    if (isHttp) putOption(writer, OPTION.vendorClass, asciiOf(CLASS.http));
    else if (server) putOption(writer, OPTION.tftpServer, asciiOf(formatAddress(server)));
    putOption(writer, OPTION.bootFile, asciiOf(name));
  }

  /** RFC 2131 section 4.1: to the address the client has, else to the one it is given unless it asks for a broadcast. */
  #destination({ bytes, mac, clientAddress }: Request, lease: Uint8Array | undefined) {
    const hasAddress = clientAddress.some((byte) => byte !== 0);
    const everybody = { target: new Uint8Array(IPV4_BYTES).fill(0xff), mac: new Uint8Array(MAC_BYTES).fill(0xff) };
    if (hasAddress) return { target: clientAddress, mac };
    if (!lease || get16(bytes, FIELD.flags) & FLAG_BROADCAST) return everybody;
    return { target: lease, mac };
  }
}

function parseRequest(bytes: Uint8Array): Request | undefined {
  const isRight =
    bytes.length >= OPTIONS_START &&
    bytes[FIELD.operation] === OPERATION.request &&
    bytes[FIELD.hardware] === HARDWARE_ETHERNET &&
    bytes[FIELD.macBytes] === MAC_BYTES &&
    get32(bytes, MAGIC_AT) === MAGIC;
  if (!isRight) return undefined;
  const options = parseOptions(bytes.subarray(OPTIONS_START));
  return {
    bytes,
    mac: bytes.slice(FIELD.mac, FIELD.mac + MAC_BYTES),
    type: options.get(OPTION.messageType)?.[0],
    options,
    clientAddress: bytes.slice(FIELD.clientAddress, FIELD.clientAddress + IPV4_BYTES),
  };
}

function parseOptions(bytes: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = 0; at + 1 < bytes.length && bytes[at] !== OPTION.end; ) {
    if (bytes[at] === OPTION.pad) at++;
    else {
      options.set(bytes[at], bytes.subarray(at + 2, at + 2 + bytes[at + 1]));
      at += 2 + bytes[at + 1];
    }
  }
  return options;
}

function isHttpClient(request: Request): boolean {
  return classOf(request, OPTION.vendorClass).startsWith(CLASS.http);
}

/** iPXE says so as text, not as the list of RFC 3004. */
function isIpxe(request: Request): boolean {
  return classOf(request, OPTION.userClass).includes(CLASS_IPXE);
}

function classOf({ options }: Request, option: number): string {
  return new TextDecoder('latin1').decode(options.get(option));
}

function putOption(writer: ByteWriter, option: number, bytes: ArrayLike<number> | undefined): void {
  if (bytes) writer.append([option, bytes.length]).append(bytes);
}

function asciiOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
