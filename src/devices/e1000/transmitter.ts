import { requireVersion } from '../../base/state-version.ts';
import { readGuest, requirePresent, writeGuest } from '../../machine/dma.ts';
import type { DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { completeChecksum, segmentTcp } from '../../machine/net-offload.ts';
import { CTRL, DESCRIPTOR_BYTES, INT, REG, type RegisterFile, TCTL_ENABLE } from './registers.ts';

/** Commands of a descriptor (Software Developer's Manual, 3.3.3 to 3.3.7). */
const CMD = { eop: 1, insertChecksum: 4, segment: 4, reportStatus: 8, extended: 0x20, vlan: 0x40 } as const;
const DTYP_CONTEXT = 0;
const POPTS = { ip: 1, transport: 2 } as const;
const STATUS_DONE = 1;
const STATUS_OFFSET = 12;

const MOST_PACKET_BYTES = 0x10000 + 18;
/** Descriptors and bytes that are done at once: what is left waits, so that a guest cannot keep the host busy. */
const MOST_DESCRIPTORS_AT_ONCE = 256;
const MOST_BYTES_AT_ONCE = 1 << 20;
const CONTEXT_BYTES = 16;
const STATE_VERSION = 1;

/** What a descriptor of either kind with data says. */
interface DataDescriptor {
  readonly gpa: number;
  readonly length: number;
  readonly command: number;
  readonly isExtended: boolean;
  /** Checksums to put in, of an extended descriptor. */
  readonly options: number;
  /** Where a legacy descriptor's checksum starts and goes. */
  readonly checksumStart: number;
  readonly checksumOffset: number;
  readonly vlan: number;
}

/** The transmit ring: gathers packets from descriptors, finishes and sends them. */
export class Transmitter {
  readonly #registers: RegisterFile;
  readonly #memory: GuestMemory;
  readonly #send: (frame: Uint8Array) => void;
  readonly #descriptor = new DataView(new ArrayBuffer(DESCRIPTOR_BYTES));
  /** The last context descriptor: offsets of checksums, sizes of segments. */
  #context = new DataView(new ArrayBuffer(CONTEXT_BYTES));
  /** The packet so far: the first bytes of this. */
  readonly #packet = new Uint8Array(MOST_PACKET_BYTES);
  #packetBytes = 0;
  /** Bytes read in this run. */
  #bytesDone = 0;
  /** Options of the packet's first descriptor, which count for all of it. */
  #options = 0;

  constructor(registers: RegisterFile, memory: GuestMemory, send: (frame: Uint8Array) => void) {
    this.#registers = registers;
    this.#memory = memory;
    this.#send = send;
  }

  /** Whether the driver has given descriptors that are not done. */
  get hasWork(): boolean {
    const registers = this.#registers;
    const count = registers.get(REG.tdlen) / DESCRIPTOR_BYTES;
    const [head, tail] = [registers.get(REG.tdh), registers.get(REG.tdt)];
    return (registers.get(REG.tctl) & TCTL_ENABLE) !== 0 && head !== tail && head < count && tail < count;
  }

  /** Does some of the descriptors. @returns the interrupt causes  @throws {PageAbsent} nothing is lost when it is called again */
  run(): number {
    let causes = 0;
    this.#bytesDone = 0;
    for (
      let done = 0;
      done < MOST_DESCRIPTORS_AT_ONCE && this.#bytesDone < MOST_BYTES_AT_ONCE && this.hasWork;
      done++
    ) {
      causes |= this.#doDescriptor();
    }
    return causes === 0 || this.hasWork ? causes : causes | INT.txqe;
  }

  save(): DeviceState {
    const packet = this.#packet.slice(0, this.#packetBytes);
    const context = new Uint8Array(this.#context.buffer).slice();
    return { version: STATE_VERSION, context, packet, options: this.#options };
  }

  restore(state: DeviceState): void {
    requireVersion('Transmitter', state.version, STATE_VERSION);
    this.#context = new DataView((state.context as Uint8Array<ArrayBuffer>).slice().buffer);
    const packet = state.packet as Uint8Array;
    this.#packet.set(packet);
    this.#packetBytes = packet.length;
    this.#options = Number(state.options);
  }

  #doDescriptor(): number {
    const registers = this.#registers;
    const head = registers.get(REG.tdh);
    const at = registers.address(REG.tdbal) + head * DESCRIPTOR_BYTES;
    readGuest(this.#memory, at, new Uint8Array(this.#descriptor.buffer));
    requirePresent(this.#memory, at, DESCRIPTOR_BYTES);
    const command = this.#descriptor.getUint8(11);
    const type = this.#descriptor.getUint8(10) >> 4;
    if (command & CMD.extended && type === DTYP_CONTEXT) {
      this.#context = new DataView(this.#descriptor.buffer.slice(0));
    } else this.#addData(readDataDescriptor(this.#descriptor));
    const next = head + 1;
    registers.set(REG.tdh, next * DESCRIPTOR_BYTES >= registers.get(REG.tdlen) ? 0 : next);
    if (!(command & CMD.reportStatus)) return 0;
    const status = this.#descriptor.getUint8(STATUS_OFFSET) | STATUS_DONE;
    writeGuest(this.#memory, at + STATUS_OFFSET, Uint8Array.of(status));
    return INT.txdw;
  }

  /** Adds a buffer to the packet, as much as a packet may have, and sends it at its end. */
  #addData(descriptor: DataDescriptor): void {
    const part = this.#packet.subarray(this.#packetBytes, this.#packetBytes + descriptor.length);
    readGuest(this.#memory, descriptor.gpa, part);
    this.#bytesDone += part.length;
    if (this.#packetBytes === 0) this.#options = descriptor.options;
    this.#packetBytes += part.length;
    if (!(descriptor.command & CMD.eop)) return;
    const frame = this.#packet.slice(0, this.#packetBytes);
    this.#packetBytes = 0;
    for (const finished of this.#finish(frame, descriptor)) this.#sendFrame(finished);
  }

  #finish(frame: Uint8Array, descriptor: DataDescriptor): Uint8Array[] {
    const tagged = this.#tag(frame, descriptor);
    const { command, isExtended, checksumStart, checksumOffset } = descriptor;
    if (!isExtended) {
      if (command & CMD.insertChecksum) completeChecksum(tagged, checksumStart, checksumOffset);
      return [tagged];
    }
    const context = this.#context;
    if (command & CMD.segment) return segmentTcp(tagged, context.getUint16(14, true));
    for (const [option, field] of [
      [POPTS.transport, 4],
      [POPTS.ip, 0],
    ]) {
      if (!(this.#options & option)) continue;
      const end = context.getUint16(field + 2, true);
      const stop = end === 0 ? tagged.length : Math.min(tagged.length, end + 1);
      completeChecksum(tagged, context.getUint8(field), context.getUint8(field + 1), stop);
    }
    return [tagged];
  }

  /** Puts a VLAN tag behind the addresses. */
  #tag(frame: Uint8Array, { command, vlan }: DataDescriptor): Uint8Array {
    if (!(command & CMD.vlan && this.#registers.get(REG.ctrl) & CTRL.vlanMode) || frame.length < 12) return frame;
    const type = this.#registers.get(REG.vet);
    const tag = [type >> 8, type & 0xff, vlan >> 8, vlan & 0xff];
    return Uint8Array.from([...frame.subarray(0, 12), ...tag, ...frame.subarray(12)]);
  }

  #sendFrame(frame: Uint8Array): void {
    if (frame.length < 14) return;
    for (const counter of [REG.gptc, REG.tpt]) this.#registers.count(counter);
    for (const counter of [REG.gotcl, REG.totl]) this.#registers.count(counter, frame.length);
    this.#send(frame);
  }
}

function readDataDescriptor(view: DataView): DataDescriptor {
  const command = view.getUint8(11);
  const isExtended = (command & CMD.extended) !== 0;
  const high = view.getUint32(4, true);
  return {
    gpa: high * 2 ** 32 + view.getUint32(0, true),
    length: isExtended ? view.getUint32(8, true) & 0xfffff : view.getUint16(8, true),
    command,
    isExtended,
    options: isExtended ? view.getUint8(13) : 0,
    checksumOffset: view.getUint8(10),
    checksumStart: view.getUint8(13),
    vlan: view.getUint16(14, true),
  };
}
