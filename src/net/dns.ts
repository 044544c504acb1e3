import { ByteWriter } from '../base/bytes.ts';
import { IPV4_BYTES } from '../base/ip-address.ts';
import { get16, put16 } from './ethernet.ts';
import type { NetHost } from './interfaces.ts';

export const DNS_PORT = 53;
const HEADER_BYTES = 12;
/** Record types and the class (RFC 1035 section 3.2, RFC 3596). */
const TYPE = { a: 1, aaaa: 28 } as const;
const CLASS_INTERNET = 1;
/** Flags and codes (RFC 1035 section 4.1.1). */
const FLAG = {
  response: 0x8000,
  opcode: 0x7800,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursion: 0x0080,
} as const;
const RCODE = { none: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;
const NAME_POINTER = 0xc000;
const MOST_NAME_BYTES = 255;
const TTL_SECONDS = 60;
const MOST_PENDING = 256;
const MOST_ANSWERS = 32;
/** The most bytes of a message over UDP where the client does not say more (RFC 1035 section 4.2.1). */
const MOST_UDP_BYTES = 512;

interface Question {
  readonly name: string;
  readonly type: number;
  readonly isInternet: boolean;
  /** Where the question ends in the message. */
  readonly end: number;
}

/** What a forwarder of names is made for. */
export interface DnsOptions {
  readonly host: NetHost;
  /** Whether the guest may learn where a name is. */
  readonly mayResolve: (name: string) => boolean;
  /** Told of each address that the guest was given for a name. */
  readonly resolved: (name: string, address: Uint8Array) => void;
}

/** Answers DNS queries (RFC 1035): addresses as the host itself finds them, everything else by its name server. */
export class DnsForwarder {
  readonly #options: DnsOptions;
  #pending = 0;

  constructor(options: DnsOptions) {
    this.#options = options;
  }

  /** @param query a message  @param overUdp whether the answer must fit into a datagram
   * @returns the answer, or undefined where none is due */
  async answer(query: Uint8Array, overUdp: boolean): Promise<Uint8Array | undefined> {
    if (query.length < HEADER_BYTES || get16(query, 2) & FLAG.response || this.#pending >= MOST_PENDING)
      return undefined;
    const question = get16(query, 4) === 1 ? parseQuestion(query) : undefined;
    if (!question) return errorReply(query, HEADER_BYTES, RCODE.formatError);
    if (get16(query, 2) & FLAG.opcode) return errorReply(query, question.end, RCODE.notImplemented);
    if (!this.#options.mayResolve(question.name)) return errorReply(query, question.end, RCODE.refused);
    this.#pending++;
    try {
      const reply = await this.#ask(query, question);
      return overUdp && reply.length > MOST_UDP_BYTES ? truncate(reply, question.end) : reply;
    } catch {
      return errorReply(query, question.end, RCODE.serverFailure);
    } finally {
      this.#pending--;
    }
  }

  async #ask(query: Uint8Array, question: Question): Promise<Uint8Array> {
    const isAddress = question.type === TYPE.a || question.type === TYPE.aaaa;
    if (!isAddress || !question.isInternet) return this.#forward(query);
    const { host, resolved } = this.#options;
    const addresses = (await host.lookUp(question.name, question.type === TYPE.aaaa)).slice(0, MOST_ANSWERS);
    if (addresses.length === 0) return this.#noAddress(query, question);
    for (const address of addresses) resolved(question.name, address);
    return addressReply(query, question, addresses);
  }

  /** A name without addresses of this kind may have some of the other; else it does not exist. */
  async #noAddress(query: Uint8Array, question: Question): Promise<Uint8Array> {
    const others = await this.#options.host.lookUp(question.name, question.type !== TYPE.aaaa);
    return errorReply(query, question.end, others.length > 0 ? RCODE.none : RCODE.nameError);
  }

  async #forward(query: Uint8Array): Promise<Uint8Array> {
    const reply = (await this.#options.host.queryDns(query.slice())).slice();
    if (reply.length < HEADER_BYTES) throw new Error('the answer is too short');
    put16(reply, 0, get16(query, 0));
    return reply;
  }
}

/** Reads the one question of a message; names are not compressed there. */
function parseQuestion(bytes: Uint8Array): Question | undefined {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  while (bytes[at] !== 0) {
    const length = bytes[at] ?? MOST_NAME_BYTES;
    if (length > 63 || at + length >= bytes.length || at + length - HEADER_BYTES > MOST_NAME_BYTES) return undefined;
    labels.push(String.fromCharCode(...bytes.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  const end = at + 5;
  if (end > bytes.length) return undefined;
  const isInternet = get16(bytes, at + 3) === CLASS_INTERNET;
  return { name: labels.join('.').toLowerCase(), type: get16(bytes, at + 1), isInternet, end };
}

/** The beginning of a reply: header and question. */
function replyHeader(query: Uint8Array, end: number, flags: number): Uint8Array {
  const reply = query.slice(0, end);
  const kept = get16(query, 2) & (FLAG.recursionDesired | FLAG.opcode);
  put16(reply, 2, kept | FLAG.response | FLAG.recursion | flags);
  reply.fill(0, 6, HEADER_BYTES);
  if (end === HEADER_BYTES) put16(reply, 4, 0);
  return reply;
}

function errorReply(query: Uint8Array, end: number, code: number): Uint8Array {
  return replyHeader(query, end, code);
}

function addressReply(query: Uint8Array, { type, end }: Question, addresses: readonly Uint8Array[]): Uint8Array {
  const right = addresses.filter(({ length }) => (length === IPV4_BYTES) === (type === TYPE.a));
  const header = replyHeader(query, end, RCODE.none);
  put16(header, 6, right.length);
  const writer = new ByteWriter().append(header);
  const put = (value: number) => writer.append([value >> 8, value & 0xff]);
  for (const address of right) {
    put(NAME_POINTER | HEADER_BYTES);
    put(type);
    put(CLASS_INTERNET);
    put(0);
    put(TTL_SECONDS);
    put(address.length);
    writer.append(address);
  }
  return writer.finish();
}

/** What is left of an answer that does not fit: the client asks again over TCP. */
function truncate(reply: Uint8Array, end: number): Uint8Array {
  return replyHeader(reply, end, FLAG.truncated | (get16(reply, 2) & 15));
}
