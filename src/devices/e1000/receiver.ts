import { requireVersion } from '../../base/state-version.ts';
import { readGuest, requirePresent, writeGuest } from '../../machine/dma.ts';
import type { DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { hasValidChecksum } from '../../machine/net-offload.ts';
import { CTRL, DESCRIPTOR_BYTES, INT, RCTL, REG, type RegisterFile } from './registers.ts';

/** Status of a received descriptor (Software Developer's Manual, 3.2.3.1). */
const STATUS = {
  done: 1,
  endOfPacket: 2,
  ignoreChecksum: 4,
  vlan: 8,
  transportChecksum: 0x20,
  ipChecksum: 0x40,
} as const;
const RXCSUM_TRANSPORT = 1 << 9;

const SHORTEST_FRAME_BYTES = 60;
/** The largest frames without and with long packets, no FCS counted. */
const MOST_NORMAL_BYTES = 1518;
const MOST_LONG_BYTES = 16384;
const FCS_BYTES = 4;
/** Frames that the card's own memory holds while the driver gives no descriptors. */
const MOST_WAITING = 64;
const STATE_VERSION = 1;

/** The receive ring: filters frames and writes them into the driver's buffers. */
export class Receiver {
  readonly #registers: RegisterFile;
  readonly #memory: GuestMemory;
  #waiting: Uint8Array[] = [];

  constructor(registers: RegisterFile, memory: GuestMemory) {
    this.#registers = registers;
    this.#memory = memory;
  }

  /**
   * Takes a frame from the link, if it is for this card.
   * @returns false when there is no room: the other end holds it back, as flow control has it do, so nothing is missed
   */
  take(frame: Uint8Array): boolean {
    const registers = this.#registers;
    const rctl = registers.get(REG.rctl);
    const most = rctl & RCTL.longPackets ? MOST_LONG_BYTES : MOST_NORMAL_BYTES;
    if (!(rctl & RCTL.enable) || frame.length > most || !this.#accepts(frame, rctl)) return true;
    if (this.#waiting.length >= MOST_WAITING) return false;
    registers.count(REG.tpr);
    this.#waiting.push(this.#padded(frame));
    return true;
  }

  /** Writes waiting frames to memory while there are descriptors.
   * @returns the interrupt causes  @throws {PageAbsent} nothing is lost when it is called again */
  run(): number {
    let causes = 0;
    for (let frame = this.#waiting[0]; frame; frame = this.#waiting[0]) {
      if (!this.#deliver(frame)) break;
      this.#waiting.shift();
      causes |= INT.rxt0;
    }
    return causes === 0 ? 0 : causes | (this.#runsLow() ? INT.rxdmt0 : 0);
  }

  save(): DeviceState {
    return { version: STATE_VERSION, waiting: [...this.#waiting] };
  }

  restore(state: DeviceState): void {
    requireVersion('Receiver', state.version, STATE_VERSION);
    this.#waiting = [...(state.waiting as Uint8Array[])];
  }

  /** Address filters (3.2.1). */
  #accepts(frame: Uint8Array, rctl: number): boolean {
    if (frame.length < 14) return false;
    const isMulticast = (frame[0] & 1) !== 0;
    if (isMulticast && rctl & RCTL.multicastPromiscuous) return true;
    if (!isMulticast && rctl & RCTL.unicastPromiscuous) return true;
    if (isMulticast && frame.subarray(0, 6).every((byte) => byte === 0xff)) return (rctl & RCTL.broadcastAccept) !== 0;
    return this.#isOwnAddress(frame) || (isMulticast && this.#isInTable(frame, rctl));
  }

  #isOwnAddress(frame: Uint8Array): boolean {
    const view = new DataView(frame.buffer, frame.byteOffset);
    const [low, high] = [view.getUint32(0, true), view.getUint16(4, true)];
    for (let at: number = REG.ral; at < REG.ral + 16 * 8; at += 8) {
      const upper = this.#registers.get(at + 4);
      const isValid = upper >>> 31 === 1;
      if (isValid && this.#registers.get(at) === low && (upper & 0xffff) === high) return true;
    }
    return false;
  }

  #isInTable(frame: Uint8Array, rctl: number): boolean {
    const shift = [4, 3, 2, 0][(rctl >> 12) & 3];
    const hash = ((frame[4] | (frame[5] << 8)) >> shift) & 0xfff;
    return ((this.#registers.get(REG.mta + (hash >> 5) * 4) >>> (hash & 31)) & 1) !== 0;
  }

  #padded(frame: Uint8Array): Uint8Array {
    const padded = new Uint8Array(Math.max(SHORTEST_FRAME_BYTES, frame.length));
    padded.set(frame);
    return padded;
  }

  /** Puts a frame into as many descriptors as it takes. @returns false when there are too few */
  #deliver(frame: Uint8Array): boolean {
    const registers = this.#registers;
    const stripped = this.#stripTag(frame);
    const fcs = registers.get(REG.rctl) & RCTL.stripCrc ? 0 : FCS_BYTES;
    const bytes = new Uint8Array(stripped.frame.length + fcs);
    bytes.set(stripped.frame);
    const size = bufferBytes(registers.get(REG.rctl));
    const count = Math.ceil(bytes.length / size);
    const entries = registers.get(REG.rdlen) / DESCRIPTOR_BYTES;
    if (count > this.#free()) return entries > 0 && count >= entries; // what no ring of this size can hold is lost
    const places = Array.from({ length: count }, (_, index) => this.#place(index, size));
    const status = this.#checksumStatus(stripped.frame) | (stripped.tag === undefined ? 0 : STATUS.vlan);
    for (const [index, { at, gpa }] of places.entries()) {
      const part = bytes.subarray(index * size, (index + 1) * size);
      writeGuest(this.#memory, gpa, part);
      const end = index === count - 1 ? STATUS.endOfPacket : 0;
      writeGuest(this.#memory, at + 8, descriptorEnd(part.length, status | STATUS.done | end, stripped.tag ?? 0));
    }
    registers.set(REG.rdh, (registers.get(REG.rdh) + count) % entries);
    this.#countFrame(frame);
    return true;
  }

  /** Descriptors that the driver has given. */
  #free(): number {
    const entries = this.#registers.get(REG.rdlen) / DESCRIPTOR_BYTES;
    const [head, tail] = [this.#registers.get(REG.rdh), this.#registers.get(REG.rdt)];
    if (head >= entries || tail >= entries) return 0;
    return (tail - head + entries) % entries;
  }

  /** Where a descriptor ahead of the head lies, and its buffer, both present. */
  #place(index: number, size: number): { at: number; gpa: number } {
    const registers = this.#registers;
    const entries = registers.get(REG.rdlen) / DESCRIPTOR_BYTES;
    const at = registers.address(REG.rdbal) + ((registers.get(REG.rdh) + index) % entries) * DESCRIPTOR_BYTES;
    const bytes = new Uint8Array(8);
    readGuest(this.#memory, at, bytes);
    requirePresent(this.#memory, at, DESCRIPTOR_BYTES);
    const view = new DataView(bytes.buffer);
    const gpa = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
    requirePresent(this.#memory, gpa, size);
    return { at, gpa };
  }

  /** Takes a VLAN tag out when the driver wants it in the descriptor. */
  #stripTag(frame: Uint8Array): { frame: Uint8Array; tag?: number } {
    const isTagged = ((frame[12] << 8) | frame[13]) === this.#registers.get(REG.vet);
    if (!isTagged || !(this.#registers.get(REG.ctrl) & CTRL.vlanMode)) return { frame };
    const bare = new Uint8Array(frame.length - 4);
    bare.set(frame.subarray(0, 12));
    bare.set(frame.subarray(16), 12);
    return { frame: bare, tag: (frame[14] << 8) | frame[15] };
  }

  #checksumStatus(frame: Uint8Array): number {
    const wanted = (this.#registers.get(REG.rxcsum) & RXCSUM_TRANSPORT) !== 0;
    return wanted && hasValidChecksum(frame) ? STATUS.transportChecksum | STATUS.ipChecksum : STATUS.ignoreChecksum;
  }

  #countFrame(frame: Uint8Array): void {
    this.#registers.count(REG.gprc);
    for (const counter of [REG.gorcl, REG.torl]) this.#registers.count(counter, frame.length);
    if (frame[0] & 1) this.#registers.count(frame[1] === 0xff ? REG.bprc : REG.mprc);
  }

  /** Whether fewer descriptors are left than the driver set as its minimum: a half, a quarter or an eighth. */
  #runsLow(): boolean {
    const entries = this.#registers.get(REG.rdlen) / DESCRIPTOR_BYTES;
    return this.#free() <= entries >> (((this.#registers.get(REG.rctl) >> 8) & 3) + 1);
  }
}

/** Bytes of a receive buffer (13.4.22, BSIZE and BSEX). */
function bufferBytes(rctl: number): number {
  const size = 2048 >> ((rctl >> 16) & 3);
  return rctl & RCTL.bufferSizeExtension ? size * 16 : size;
}

/** The upper half of a received descriptor: length, checksum, status, errors, tag. */
function descriptorEnd(length: number, status: number, tag: number): Uint8Array {
  return Uint8Array.of(length & 0xff, length >> 8, 0, 0, status, 0, tag & 0xff, tag >> 8);
}
