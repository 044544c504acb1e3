/** Packets of the socket device (virtio 1.2 section 5.10.6): a header, and for {@link OP.data} bytes behind it. */

/** Bytes of a packet's header. */
export const HEADER_BYTES = 44;

/** Operations. */
export const OP = {
  request: 1,
  response: 2,
  reset: 3,
  shutdown: 4,
  /** "RW" in the specification. */
  data: 5,
  creditUpdate: 6,
  creditRequest: 7,
} as const;
export type Op = (typeof OP)[keyof typeof OP];

/** Flags of {@link OP.shutdown}: what its sender will no longer do. */
export const SHUTDOWN = { receive: 1, send: 2 } as const;

/** The type of stream sockets; the only one that is offered. */
export const TYPE_STREAM = 1;

/** The host's address. */
export const HOST_CID = 2n;

/** Most bytes behind a header: what Linux sends at once. */
export const MOST_PAYLOAD_BYTES = 1 << 16;

/** The fields of a header, in their order. */
export interface PacketHeader {
  readonly sourceCid: bigint;
  readonly destinationCid: bigint;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Bytes behind the header. */
  readonly length: number;
  readonly type: number;
  /** One of {@link OP}, or anything else. */
  readonly op: number;
  readonly flags: number;
  /** Bytes that the sender has room for in all on this connection. */
  readonly bufAlloc: number;
  /** How many bytes have left that room, modulo 2³². */
  readonly fwdCnt: number;
}

/** @param bytes at least {@link HEADER_BYTES} */
export function decodeHeader({ buffer, byteOffset }: Uint8Array): PacketHeader {
  const view = new DataView(buffer, byteOffset, HEADER_BYTES);
  return {
    sourceCid: view.getBigUint64(0, true),
    destinationCid: view.getBigUint64(8, true),
    sourcePort: view.getUint32(16, true),
    destinationPort: view.getUint32(20, true),
    length: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufAlloc: view.getUint32(36, true),
    fwdCnt: view.getUint32(40, true),
  };
}

export function encodeHeader(header: PacketHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, header.sourceCid, true);
  view.setBigUint64(8, header.destinationCid, true);
  view.setUint32(16, header.sourcePort, true);
  view.setUint32(20, header.destinationPort, true);
  view.setUint32(24, header.length, true);
  view.setUint16(28, header.type, true);
  view.setUint16(30, header.op, true);
  view.setUint32(32, header.flags, true);
  view.setUint32(36, header.bufAlloc, true);
  view.setUint32(40, header.fwdCnt, true);
  return bytes;
}
