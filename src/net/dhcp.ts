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

/** Options (RFC 2132; 4578 and 5970 for booting). */
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
  tftpServer: 66,
  bootFile: 67,
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
  /** What clients that boot over the network are told to load: a name on the TFTP server. */
  readonly bootFile?: string;
}

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
    const { bootFile } = this.#settings;
    const writer = new ByteWriter();
    writer.append([OPERATION.reply, HARDWARE_ETHERNET, MAC_BYTES, 0]);
    writer.append(request.bytes.subarray(4, 8)).zeros(2);
    writer.append(request.bytes.subarray(FIELD.flags, FIELD.flags + 2));
    writer.append(isNak ? new Uint8Array(IPV4_BYTES) : request.clientAddress);
    writer.append(given ?? new Uint8Array(IPV4_BYTES));
    writer.append(bootFile === undefined || isNak ? new Uint8Array(IPV4_BYTES) : this.#settings.server);
    writer.append(request.bytes.subarray(FIELD.gateway, FIELD.gateway + 4));
    writer.append(request.mac).zeros(10 + 64);
    writer.text(isNak ? '' : (bootFile ?? ''), 127).zeros(1);
    writer.append([0x63, 0x82, 0x53, 0x63]);
    this.#putOptions(writer, type, given, bootFile);
    writer.u8(OPTION.end).zeros(Math.max(0, SHORTEST_BYTES - writer.length));
    return { message: writer.finish(), ...this.#destination(request, isNak ? undefined : lease) };
  }

  #putOptions(
    writer: ByteWriter,
    type: number | undefined,
    lease: Uint8Array | undefined,
    bootFile: string | undefined,
  ): void {
    const { server, netmask, router, nameServer } = this.#settings;
    const put = (option: number, bytes: ArrayLike<number> | undefined) => {
      if (bytes) writer.append([option, bytes.length]).append(bytes);
    };
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
    if (bootFile === undefined) return;
    put(OPTION.tftpServer, asciiOf(formatAddress(server)));
    put(OPTION.bootFile, asciiOf(bootFile));
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

function asciiOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
