import { ByteWriter } from '../base/bytes.ts';
import { get16 } from './ethernet.ts';

// DHCPv6 (RFC 8415), without addresses: those are made by SLAAC. The router's advertisements say that the rest is had here.

/** UDP ports (RFC 8415 section 7.2). */
export const DHCPV6_PORT = { client: 546, server: 547 } as const;
const MESSAGE = { reply: 7, informationRequest: 11 } as const;
/** Options (RFC 8415 section 21, RFC 3646). */
const OPTION = { clientId: 1, serverId: 2, nameServers: 23 } as const;
const HEADER_BYTES = 4;
const OPTION_HEADER_BYTES = 4;
/** An identifier of a link-layer address of Ethernet (RFC 8415 section 11.4). */
const DUID_LINK_LAYER = [0, 3, 0, 1];
/** The longest identifier (RFC 8415 section 11.1). */
const MOST_ID_BYTES = 130;

/** What clients are told. */
export interface Dhcpv6Settings {
  /** Of the server. */
  readonly mac: Uint8Array;
  /** An IPv6 address. */
  readonly nameServer?: Uint8Array;
}

/** The answer to a message of a client, or undefined for one that gets none. */
export function answerDhcpv6(message: Uint8Array, { mac, nameServer }: Dhcpv6Settings): Uint8Array | undefined {
  if (message.length < HEADER_BYTES || message[0] !== MESSAGE.informationRequest) return undefined;
  const options = readOptions(message);
  const own = Uint8Array.of(...DUID_LINK_LAYER, ...mac);
  const [client, server] = [options.get(OPTION.clientId), options.get(OPTION.serverId)];
  const isOthers =
    server !== undefined && !(server.length === own.length && server.every((byte, i) => byte === own[i]));
  if (isOthers || (client?.length ?? 0) > MOST_ID_BYTES) return undefined;
  const writer = new ByteWriter().u8(MESSAGE.reply).append(message.subarray(1, HEADER_BYTES));
  if (client) putOption(writer, OPTION.clientId, client);
  putOption(writer, OPTION.serverId, own);
  if (nameServer) putOption(writer, OPTION.nameServers, nameServer);
  return writer.finish();
}

function readOptions(message: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = HEADER_BYTES; at + OPTION_HEADER_BYTES <= message.length; ) {
    const start = at + OPTION_HEADER_BYTES;
    const end = start + get16(message, at + 2);
    if (end > message.length) break;
    options.set(get16(message, at), message.subarray(start, end));
    at = end;
  }
  return options;
}

function putOption(writer: ByteWriter, code: number, data: Uint8Array): void {
  const { length } = data;
  writer.append([code >> 8, code & 0xff, length >> 8, length & 0xff]).append(data);
}
