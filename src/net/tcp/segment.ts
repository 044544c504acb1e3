import { onesSum } from '../../base/checksums.ts';
import { get16, get32, put16, put32 } from '../ethernet.ts';
import { type IpPacket, type IpPath, PROTOCOL, pseudoSum } from '../ip.ts';
import type { SequenceRange } from './sequence.ts';

export const TCP_HEADER_BYTES = 20;
export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;
const FIELD = { sequence: 4, acknowledgment: 8, offset: 12, flags: 13, window: 14, checksum: 16 } as const;
/** Options (RFC 9293 section 3.2, RFC 7323, RFC 2018). */
const OPTION = { end: 0, none: 1, mss: 2, windowScale: 3, sackPermitted: 4, sack: 5 } as const;
const SACK_BYTES = 8;
const MOST_SACKS = 3;
export const MOST_WINDOW_SHIFT = 14;

/** What both kinds of segments say. */
export interface TcpHeader {
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** As it stands in the header: not scaled. */
  readonly window: number;
  readonly mss?: number;
  readonly windowShift?: number;
  readonly sackPermitted?: boolean;
  readonly sacks?: readonly SequenceRange[];
}

/** A segment that came. */
export interface TcpSegment extends TcpHeader {
  readonly data: Uint8Array;
}

/** Reads a segment. @param trusted its checksum is still to be made  @returns undefined when it is malformed */
export function parseTcp(packet: IpPacket, trusted: boolean): TcpSegment | undefined {
  const { payload } = packet;
  const headerBytes = (payload[FIELD.offset] >> 4) * 4;
  if (payload.length < TCP_HEADER_BYTES || headerBytes < TCP_HEADER_BYTES || headerBytes > payload.length) {
    return undefined;
  }
  const start = trusted ? 0 : pseudoSum(packet, PROTOCOL.tcp, payload.length);
  if (!trusted && onesSum(payload, 0, payload.length, start) !== 0xffff) return undefined;
  return {
    sourcePort: get16(payload, 0),
    targetPort: get16(payload, 2),
    sequence: get32(payload, FIELD.sequence),
    acknowledgment: get32(payload, FIELD.acknowledgment),
    flags: payload[FIELD.flags],
    window: get16(payload, FIELD.window),
    data: payload.subarray(headerBytes),
    ...(headerBytes > TCP_HEADER_BYTES ? parseOptions(payload.subarray(TCP_HEADER_BYTES, headerBytes)) : undefined),
  };
}

type TcpOptions = Pick<TcpHeader, 'mss' | 'windowShift' | 'sackPermitted' | 'sacks'>;

function parseOptions(bytes: Uint8Array): TcpOptions {
  const options: { -readonly [Key in keyof TcpOptions]: TcpOptions[Key] } = {};
  for (let at = 0; at < bytes.length && bytes[at] !== OPTION.end; ) {
    if (bytes[at] === OPTION.none) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) break;
    if (bytes[at] === OPTION.mss && length === 4) options.mss = get16(bytes, at + 2);
    else if (bytes[at] === OPTION.windowScale && length === 3) {
      options.windowShift = Math.min(bytes[at + 2], MOST_WINDOW_SHIFT);
    } else if (bytes[at] === OPTION.sackPermitted) options.sackPermitted = true;
    else if (bytes[at] === OPTION.sack) options.sacks = parseSacks(bytes.subarray(at + 2, at + length));
    at += length;
  }
  return options;
}

function parseSacks(bytes: Uint8Array): SequenceRange[] {
  const count = Math.floor(bytes.length / SACK_BYTES);
  return Array.from({ length: count }, (_, index) => ({
    start: get32(bytes, index * SACK_BYTES),
    end: get32(bytes, index * SACK_BYTES + 4),
  }));
}

/** Bytes of a segment's header. */
export function tcpHeaderBytes({ mss, windowShift, sackPermitted, sacks }: TcpHeader): number {
  const sackBytes = sacks?.length ? 4 + Math.min(sacks.length, MOST_SACKS) * SACK_BYTES : 0;
  const fixed = (mss === undefined ? 0 : 4) + (windowShift === undefined ? 0 : 4) + (sackPermitted ? 4 : 0);
  return TCP_HEADER_BYTES + fixed + sackBytes;
}

/** Writes a segment's header but for its checksum. @param at where it begins */
export function putTcpHeader(frame: Uint8Array, at: number, header: TcpHeader): void {
  put16(frame, at, header.sourcePort);
  put16(frame, at + 2, header.targetPort);
  put32(frame, at + FIELD.sequence, header.sequence);
  put32(frame, at + FIELD.acknowledgment, header.acknowledgment);
  frame[at + FIELD.offset] = (tcpHeaderBytes(header) / 4) << 4;
  frame[at + FIELD.flags] = header.flags;
  put16(frame, at + FIELD.window, header.window);
  let to = at + TCP_HEADER_BYTES;
  const put = (bytes: readonly number[]) => {
    frame.set(bytes, to);
    to += bytes.length;
  };
  if (header.mss !== undefined) put([OPTION.mss, 4, header.mss >> 8, header.mss & 0xff]);
  if (header.windowShift !== undefined) put([OPTION.none, OPTION.windowScale, 3, header.windowShift]);
  if (header.sackPermitted) put([OPTION.none, OPTION.none, OPTION.sackPermitted, 2]);
  const sacks = header.sacks?.slice(0, MOST_SACKS) ?? [];
  if (sacks.length > 0) put([OPTION.none, OPTION.none, OPTION.sack, 2 + sacks.length * SACK_BYTES]);
  for (const { start, end } of sacks) {
    put32(frame, to, start);
    put32(frame, to + 4, end);
    to += SACK_BYTES;
  }
}

/** Where a segment's checksum stands, counted from its beginning. */
export const CHECKSUM_AT: number = FIELD.checksum;

/** Puts the checksum of the segment that begins at `at` and ends with the frame.
 * @param partial only the sum of the pseudo header, for those who finish it themselves */
export function putTcpChecksum(frame: Uint8Array, at: number, path: IpPath, partial: boolean): void {
  const start = pseudoSum(path, PROTOCOL.tcp, frame.length - at);
  put16(frame, at + FIELD.checksum, partial ? start : ~onesSum(frame, at, frame.length, start) & 0xffff);
}
