import { ByteWriter } from '../../src/base/bytes.ts';
import { makeEdid } from '../../src/devices/vga/edid.ts';
import { VirtioGpu } from '../../src/devices/virtio/gpu/gpu.ts';
import { GPU_CMD } from '../../src/devices/virtio/gpu/protocol.ts';
import { VirtioPci } from '../../src/devices/virtio/virtio-pci.ts';
import { Screen } from '../../src/display/screen.ts';
import type { Device, GuestMemory } from '../../src/machine/interfaces.ts';
import type { PciSlot } from '../../src/machine/pci-slot.ts';
import type { HostileSubject } from './hostile-device.ts';

/** What the pictures of the guest may take: little, so that the limit is met. */
const MOST_BYTES = 2 << 20;
const REQUESTS = Object.entries(GPU_CMD) as [keyof typeof GPU_CMD, number][];
const FORMATS = [1, 1, 1, 2, 3, 4, 67, 68, 121, 134, 0];
/** The queues as the fuzzer sets them up: descriptors, the available ring, and how many entries. */
const QUEUE_STRIDE = 0x4000;
const AVAILABLE = 0x2000;
const ENTRIES = 16;
const USED = 0x3000;
/** Registers of the common configuration, and where queues are notified (virtio 1.2 section 4.1.4.3). */
const [FEATURE_SELECT, FEATURES, STATUS, NOTIFY] = [0x08, 0x0c, 0x14, 0x3000];
const QUEUE = { select: 0x16, size: 0x18, enable: 0x1c, descriptors: 0x20, available: 0x28, used: 0x30 } as const;
/** Where requests and their answers lie. */
const REQUEST = 0x20000;
const ANSWER = 0x21000;
const ANSWER_BYTES = 1200;
const HEADER_BYTES = 24;
/** What is sent at once, before other guests' whims break the queues. */
const MOST_REQUESTS = 200;

type Below = (limit: number) => number;

/** A guest that sends nearly right requests, and a screen that looks at what comes of them. */
class GpuFuzzer {
  readonly card: VirtioPci;
  readonly #memory: GuestMemory;
  readonly #pageIn: PciSlot['pageIn'];
  readonly #screen: Screen;
  #registers: Pick<Device, 'read' | 'write'> | undefined;

  constructor(slot: PciSlot) {
    this.#memory = slot.memory;
    this.#pageIn = slot.pageIn;
    const gpu = new VirtioGpu({ memory: slot.memory, edid: makeEdid(), mostBytes: MOST_BYTES });
    const window: PciSlot['window'] = (kind, length, device, name) => {
      if (kind === 'memory64') this.#registers = device;
      return slot.window(kind, length, device, name);
    };
    this.card = new VirtioPci(gpu, { ...slot, window });
    this.#screen = new Screen(gpu);
  }

  poke(below: Below): void {
    const action = below(40);
    if (action === 0) this.#screen.refresh();
    if (action !== 1) return;
    this.#setUp();
    for (let count = below(MOST_REQUESTS); count >= 0; count--) {
      this.#send(below(8) ? 0 : 1, request(below), below(ENTRIES));
    }
    if (below(4) === 0) this.#screen.refresh();
  }

  /** Resets the device, and gives it its queues: what happens in between leaves them broken. */
  #setUp(): void {
    const write = (offset: number, size: number, value: number) => this.#registers?.write(offset, size, value);
    for (const status of [0, 3]) write(STATUS, 1, status);
    for (const [word, bits] of [
      [0, 2],
      [1, 1],
    ]) {
      write(FEATURE_SELECT, 4, word);
      write(FEATURES, 4, bits);
    }
    write(STATUS, 1, 11);
    for (const queue of [0, 1]) {
      const base = queue * QUEUE_STRIDE;
      write(QUEUE.select, 2, queue);
      write(QUEUE.size, 2, ENTRIES);
      for (const [register, gpa] of [
        [QUEUE.descriptors, base],
        [QUEUE.available, base + AVAILABLE],
        [QUEUE.used, base + USED],
      ]) {
        write(register, 4, gpa);
        write(register + 4, 4, 0);
      }
      for (const gpa of [base + AVAILABLE, base + USED, ANSWER]) this.#put(gpa, new Uint8Array(4));
      write(QUEUE.enable, 2, 1);
    }
    write(STATUS, 1, 15);
  }

  #send(queue: number, bytes: Uint8Array, entry: number): void {
    const base = queue * QUEUE_STRIDE;
    const next = (entry + 1) % ENTRIES;
    this.#put(REQUEST, bytes);
    this.#put(base + entry * 16, descriptor(REQUEST, bytes.length, 1, next));
    this.#put(base + next * 16, descriptor(ANSWER, ANSWER_BYTES, 2, 0));
    const ring = base + AVAILABLE;
    const index = this.#read16(ring + 2);
    this.#put(ring + 4 + (index % ENTRIES) * 2, new ByteWriter().u16(entry).finish());
    this.#put(ring + 2, new ByteWriter().u16(index + 1).finish());
    this.#registers?.write(NOTIFY + queue * 4, 4, queue);
  }

  #put(gpa: number, bytes: Uint8Array): void {
    this.#present(gpa).forWrite(gpa, bytes.length).set(bytes);
  }

  #read16(gpa: number): number {
    const [low, high] = this.#present(gpa).forRead(gpa, 2);
    return low | (high << 8);
  }

  /** Memory, with the page at an address brought in. */
  #present(gpa: number): GuestMemory {
    void this.#pageIn(gpa);
    return this.#memory;
  }
}

/** What follows the header of each request: ids, sizes and addresses that often fit one another. */
const FIELDS: Readonly<Record<keyof typeof GPU_CMD, (below: Below) => readonly number[]>> = {
  getDisplayInfo: () => [],
  resourceCreate2d: (below) => [id(below), FORMATS[below(FORMATS.length)], ...(below(4) ? [64, 64] : size(below))],
  resourceUnref: (below) => [id(below), 0],
  setScanout: (below) => [...rect(below), below(20) ? 0 : below(3), id(below)],
  resourceFlush: (below) => [...rect(below), id(below), 0],
  transferToHost2d: (below) => [...rect(below), below(8) ? below(20_000) : below(2 ** 32), 0, id(below), 0],
  resourceAttachBacking: (below) => [id(below), below(4), ...segment(below), ...segment(below), ...segment(below)],
  resourceDetachBacking: (below) => [id(below), 0],
  getCapsetInfo: (below) => [below(4), 0],
  getCapset: (below) => [below(4), 0],
  getEdid: (below) => [below(2), 0],
  updateCursor: (below) => [0, below(2 ** 32), below(100), 0, id(below), 0, 0, 0],
  moveCursor: (below) => [0, below(100), below(2 ** 32), 0, 0, 0, 0, 0],
};

const id = (below: Below) => below(6);
const size = (below: Below) => [below(100), below(20) ? below(100) : below(2 ** 32)];
const rect = (below: Below) => [below(3) ? 0 : below(64), below(3) ? 0 : below(64), ...size(below)];
const segment = (below: Below) => [below(256) * 4096, 0, below(30) ? below(20_000) : below(2 ** 32), 0];

function request(below: Below): Uint8Array {
  const [name, type] = REQUESTS[below(REQUESTS.length)];
  const out = new ByteWriter()
    .u32(type)
    .u32(below(2))
    .zeros(HEADER_BYTES - 8);
  for (const word of FIELDS[name](below)) out.u32(below(100) ? word : below(2 ** 32));
  return out.finish();
}

function descriptor(gpa: number, length: number, flags: number, next: number): Uint8Array {
  return new ByteWriter().u64(BigInt(gpa)).u32(length).u16(flags).u16(next).finish();
}

/** A virtio GPU. */
export function gpuSubject(registers: readonly number[], virtioBar: number): HostileSubject {
  let fuzzer: GpuFuzzer | undefined;
  const make = (slot: PciSlot) => {
    fuzzer = new GpuFuzzer(slot);
    return fuzzer.card;
  };
  return { name: 'virtio-gpu', make, registers, virtioBar, poke: (below) => fuzzer?.poke(below) };
}
