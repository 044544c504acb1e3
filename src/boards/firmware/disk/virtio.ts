import { EBDA, EBDA_GPA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { readConfig, writeConfig } from '../pci-bios.ts';
import type { DmaController } from './dma.ts';
import { OPERATION } from './request.ts';

/** Identities of a virtio disk: vendor in the lower half; the transitional one, and that of version 1. */
export const VIRTIO_DISKS: readonly number[] = [0x10011af4, 0x10421af4];

const CAPABILITIES = 0x34;
const CAPABILITY_VENDOR = 0x09;
/** Types of virtio capabilities (virtio 1.2 section 4.1.4). */
const CFG_TYPE = { common: 1, notify: 2, device: 4, access: 5 } as const;
/** Fields of a virtio capability. */
const CAP = { next: 1, type: 3, bar: 4, offset: 8, length: 12, data: 16 } as const;

/** The common configuration (section 4.1.4.3), with the bytes of each field. */
const COMMON = {
  driverFeatureSelect: [0x08, 4],
  driverFeature: [0x0c, 4],
  status: [0x14, 1],
  queueSelect: [0x16, 2],
  queueSize: [0x18, 2],
  queueEnable: [0x1c, 2],
  queueNotifyOff: [0x1e, 2],
  descriptors: [0x20, 4],
  driverRing: [0x28, 4],
  deviceRing: [0x30, 4],
} as const;
const STATUS = { reset: 0, acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8 } as const;
const RUNNING = STATUS.acknowledge | STATUS.driver | STATUS.driverOk | STATUS.featuresOk;
/** VIRTIO_F_VERSION_1, in the upper word of features. */
const FEATURE_VERSION_1 = 1;
const CONFIG_CAPACITY = 0;

/** The queue: its size, and where its parts and the request's lie. */
const QUEUE_SIZE = 4;
const DESCRIPTORS = EBDA_GPA + EBDA.virtioQueue;
const AVAILABLE = DESCRIPTORS + 0x40;
const USED = DESCRIPTORS + 0x60;
const HEADER = DESCRIPTORS + 0x90;
const RESULT = DESCRIPTORS + 0xa0;
const NO_INTERRUPT = 1;
const DESCRIPTOR = { next: 1, write: 2 } as const;
const REQUEST = { in: 0, out: 1 } as const;
const HEADER_BYTES = 16;
const BLOCK_BYTES = 512;

/** A part of the registers: base address register and offset. */
type Part = readonly [bar: number, offset: number];

/** A device's registers, reached through its configuration space alone, so that it works whatever maps memory. */
class VirtioRegisters {
  readonly #c: Caller;
  readonly #place: number;
  readonly #parts = new Map<number, Part>();
  /** Where the capability lies that reaches registers (section 4.1.4.9). */
  #access = 0;
  notifyMultiplier = 0;

  constructor(c: Caller, place: number) {
    this.#c = c;
    this.#place = place;
    for (let at = this.#config(CAPABILITIES, 1); at !== 0; at = this.#config(at + CAP.next, 1)) this.#note(at);
  }

  read(type: number, offset: number, size: 1 | 2 | 4): number {
    this.#point(type, offset, size);
    return this.#config(this.#access + CAP.data, size);
  }

  write(type: number, offset: number, size: 1 | 2 | 4, value: number): void {
    this.#point(type, offset, size);
    writeConfig(this.#c, this.#place, this.#access + CAP.data, size, value);
  }

  set(field: keyof typeof COMMON, value: number): void {
    const [offset, size] = COMMON[field];
    this.write(CFG_TYPE.common, offset, size, value);
  }

  get(field: keyof typeof COMMON): number {
    const [offset, size] = COMMON[field];
    return this.read(CFG_TYPE.common, offset, size);
  }

  #note(at: number): void {
    if (this.#config(at, 1) !== CAPABILITY_VENDOR) return;
    const type = this.#config(at + CAP.type, 1);
    if (type === CFG_TYPE.access) this.#access = at;
    if (type === CFG_TYPE.notify) this.notifyMultiplier = this.#config(at + CAP.data, 4);
    if (!this.#parts.has(type))
      this.#parts.set(type, [this.#config(at + CAP.bar, 1), this.#config(at + CAP.offset, 4)]);
  }

  #point(type: number, offset: number, size: number): void {
    const [bar, start] = this.#parts.get(type) ?? [0, 0];
    writeConfig(this.#c, this.#place, this.#access + CAP.bar, 1, bar);
    writeConfig(this.#c, this.#place, this.#access + CAP.offset, 4, start + offset);
    writeConfig(this.#c, this.#place, this.#access + CAP.length, 4, size);
  }

  #config(register: number, size: 1 | 2 | 4): number {
    return readConfig(this.#c, this.#place, register, size);
  }
}

/** How many blocks of 512 bytes a disk has. */
export function virtioSectors(c: Caller, place: number): number {
  const registers = new VirtioRegisters(c, place);
  const word = (offset: number) => registers.read(CFG_TYPE.device, CONFIG_CAPACITY + offset, 4);
  return word(0) + word(4) * 2 ** 32;
}

/** Disks behind virtio (virtio 1.2 section 5.2). There is one queue for all: a disk that it does not belong to is set up anew. */
export const VIRTIO_DISK: DmaController = {
  begin(c, { place }, { operation, lba, blocks, gpa }) {
    const registers = new VirtioRegisters(c, place);
    if (!isSetUp(registers, c, place)) setUp(registers, c, place);
    const isWrite = operation === OPERATION.write;
    const header = [isWrite ? REQUEST.out : REQUEST.in, 0, lba % 2 ** 32, Math.floor(lba / 2 ** 32)];
    for (const [i, word] of header.entries()) c.store(HEADER + i * 4, 4, word);
    describe(c, 0, HEADER, HEADER_BYTES, DESCRIPTOR.next);
    describe(c, 1, gpa, blocks * BLOCK_BYTES, DESCRIPTOR.next | (isWrite ? 0 : DESCRIPTOR.write));
    describe(c, 2, RESULT, 1, DESCRIPTOR.write);
    const index = c.load(AVAILABLE + 2, 2);
    c.store(RESULT, 1, 0xff);
    c.store(AVAILABLE + 4 + (index % QUEUE_SIZE) * 2, 2, 0);
    c.store(AVAILABLE + 2, 2, (index + 1) & 0xffff);
    const doorbell = registers.get('queueNotifyOff') * registers.notifyMultiplier;
    registers.write(CFG_TYPE.notify, doorbell, 2, 0);
  },
  poll(c) {
    if (c.load(USED + 2, 2) !== c.load(AVAILABLE + 2, 2)) return undefined;
    return c.load(RESULT, 1) === 0 ? 'done' : 'failed';
  },
};

function isSetUp(registers: VirtioRegisters, c: Caller, place: number): boolean {
  if (c.load(EBDA_GPA + EBDA.virtioOwner, 1) !== place || registers.get('status') !== RUNNING) return false;
  registers.set('queueSelect', 0);
  return registers.get('descriptors') === DESCRIPTORS && registers.get('queueEnable') === 1;
}

/** @see virtio 1.2 section 3.1.1 */
function setUp(registers: VirtioRegisters, c: Caller, place: number): void {
  for (let at = DESCRIPTORS; at < HEADER; at += 4) c.store(at, 4, 0);
  c.store(AVAILABLE, 2, NO_INTERRUPT);
  c.store(EBDA_GPA + EBDA.virtioOwner, 1, place);
  registers.set('status', STATUS.reset);
  registers.set('status', STATUS.acknowledge | STATUS.driver);
  for (const [word, features] of [0, FEATURE_VERSION_1].entries()) {
    registers.set('driverFeatureSelect', word);
    registers.set('driverFeature', features);
  }
  registers.set('status', RUNNING & ~STATUS.driverOk);
  registers.set('queueSelect', 0);
  registers.set('queueSize', QUEUE_SIZE);
  for (const [field, gpa] of [
    ['descriptors', DESCRIPTORS],
    ['driverRing', AVAILABLE],
    ['deviceRing', USED],
  ] as const)
    registers.set(field, gpa);
  registers.set('queueEnable', 1);
  registers.set('status', RUNNING);
}

function describe(c: Caller, index: number, gpa: number, length: number, flags: number): void {
  const at = DESCRIPTORS + index * 16;
  c.store(at, 4, gpa);
  c.store(at + 4, 4, 0);
  c.store(at + 8, 4, length);
  c.store(at + 12, 2, flags);
  c.store(at + 14, 2, index + 1);
}
