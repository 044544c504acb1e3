/** Bytes of a submission queue entry and of a completion queue entry (NVM Express 1.4 sections 4.2 and 4.6). */
export const COMMAND_BYTES = 64;
export const COMPLETION_BYTES = 16;

/** A command as a driver has put it into a submission queue. */
export interface Command {
  /** The submission queue that it came from. */
  readonly queue: number;
  readonly opcode: number;
  readonly id: number;
  readonly namespace: number;
  /** Whether its data is described by PRPs, not by SGLs, and it is not fused with another. */
  readonly plain: boolean;
  readonly prp1: number;
  readonly prp2: number;
  /** Command dwords 10 to 15. */
  readonly dwords: readonly number[];
}

/** Reads a command. @param bytes {@link COMMAND_BYTES} */
export function parseCommand(queue: number, bytes: Uint8Array): Command {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    queue,
    opcode: bytes[0],
    id: view.getUint16(2, true),
    namespace: view.getUint32(4, true),
    plain: (bytes[1] & 0xc3) === 0,
    prp1: addressAt(view, 24),
    prp2: addressAt(view, 32),
    dwords: Array.from({ length: 6 }, (_, i) => view.getUint32(40 + i * 4, true)),
  };
}

/** A guest-physical address of 64 bits. No PC has memory above 52 bits: what lies there reads as ones. */
export function addressAt(view: DataView, offset: number): number {
  return Number(BigInt.asUintN(52, view.getBigUint64(offset, true)));
}

/** Status of a completion: code type × 100h + code (section 4.6.1). */
export const STATUS = {
  ok: 0x000,
  invalidOpcode: 0x001,
  invalidField: 0x002,
  internalError: 0x006,
  invalidNamespace: 0x00b,
  writeProtected: 0x020,
  outOfRange: 0x080,
  invalidCompletionQueue: 0x100,
  invalidQueueId: 0x101,
  invalidQueueSize: 0x102,
  tooManyEventRequests: 0x105,
  invalidVector: 0x108,
  invalidLogPage: 0x109,
  invalidQueueDeletion: 0x10c,
  writeFault: 0x280,
  unrecoveredRead: 0x281,
} as const;

/** How a command ended. */
export interface Completion {
  readonly queue: number;
  readonly id: number;
  /** One of {@link STATUS}. */
  readonly status: number;
  /** Command-specific. */
  readonly result: number;
}
