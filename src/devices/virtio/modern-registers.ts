import type { Device } from '../../machine/interfaces.ts';
import { NO_VECTOR, type VirtioCore } from './virtio-core.ts';
import type { QueueAddresses, Virtqueue } from './virtqueue.ts';

/** The parts of the range behind the base address register, and its length. */
export const MODERN_LAYOUT = { common: 0, isr: 0x1000, device: 0x2000, notify: 0x3000, length: 0x4000 } as const;
/** Bytes between the notification registers of two queues. */
export const NOTIFY_MULTIPLIER = 4;
/** Bytes of the common configuration. */
export const COMMON_BYTES = 0x40;

/** A register: offset, bytes, what it reads as, what a write does. */
type Register = readonly [
  offset: number,
  size: number,
  read: (at: ModernRegisters) => number,
  write?: (at: ModernRegisters, value: number) => void,
];

/** The common configuration (virtio 1.2 section 4.1.4.3). */
const COMMON: readonly Register[] = [
  [0x00, 4, (at) => at.deviceFeatureSelect, (at, value) => (at.deviceFeatureSelect = value)],
  [0x04, 4, (at) => wordOf(at.core.offered, at.deviceFeatureSelect)],
  [0x08, 4, (at) => at.driverFeatureSelect, (at, value) => (at.driverFeatureSelect = value)],
  [
    0x0c,
    4,
    (at) => wordOf(at.core.driverFeatures, at.driverFeatureSelect),
    (at, value) => at.core.acceptFeatures(at.driverFeatureSelect, value),
  ],
  [0x10, 2, (at) => at.core.configVector, (at, value) => (at.core.configVector = at.vector(value))],
  [0x12, 2, (at) => at.core.queues.length],
  [0x14, 1, (at) => at.core.status, (at, value) => at.core.setStatus(value)],
  [0x15, 1, (at) => at.core.generation],
  [0x16, 2, (at) => at.core.queueSelect, (at, value) => (at.core.queueSelect = value)],
  [0x18, 2, (at) => at.queue?.size ?? 0, (at, value) => at.setQueueSize(value)],
  [0x1a, 2, (at) => at.core.vectors[at.core.queueSelect] ?? NO_VECTOR, (at, value) => at.setQueueVector(value)],
  [0x1c, 2, (at) => Number(at.queue?.enabled ?? false), (at, value) => at.enableQueue(value)],
  [0x1e, 2, (at) => (at.queue ? at.core.queueSelect : 0)],
  ...address(0x20, 'descriptors'),
  ...address(0x28, 'available'),
  ...address(0x30, 'used'),
  [0x38, 2, (at) => (at.queue ? at.core.queueSelect : 0)],
  [0x3a, 2, () => 0, (at, value) => at.resetQueue(value)],
];

/** The two halves of a queue's address. */
function address(offset: number, name: keyof QueueAddresses): Register[] {
  return [
    [offset, 4, (at) => (at.queue?.addresses[name] ?? 0) >>> 0, (at, value) => at.setAddress(name, 0, value)],
    [
      offset + 4,
      4,
      (at) => Math.floor((at.queue?.addresses[name] ?? 0) / 2 ** 32),
      (at, value) => at.setAddress(name, 1, value),
    ],
  ];
}

/** The memory-mapped registers of a virtio device of version 1 (virtio 1.2 sections 4.1.4.3 to 4.1.4.6). */
export class ModernRegisters implements Pick<Device, 'read' | 'write'> {
  readonly core: VirtioCore;
  deviceFeatureSelect = 0;
  driverFeatureSelect = 0;
  readonly #vectors: number;

  /** @param vectors MSI-X vectors there are */
  constructor(core: VirtioCore, vectors: number) {
    this.core = core;
    this.#vectors = vectors;
  }

  read(offset: number, size: number): number {
    const at = offset & 0xfff;
    switch (offset - at) {
      case MODERN_LAYOUT.common:
        return readCommon(this, at, size);
      case MODERN_LAYOUT.isr:
        return at === 0 ? this.core.takeIsr() : 0;
      case MODERN_LAYOUT.device:
        return readLittleEndian(this.core.device.config, at, size);
      default:
        return 0;
    }
  }

  write(offset: number, size: number, value: number): void {
    const at = offset & 0xfff;
    switch (offset - at) {
      case MODERN_LAYOUT.common:
        COMMON.find((register) => register[0] === at && register[1] === size)?.[3]?.(this, value);
        break;
      case MODERN_LAYOUT.device:
        this.core.device.configWritten?.(at, size, value);
        break;
      case MODERN_LAYOUT.notify:
        this.core.notify(Math.floor(at / NOTIFY_MULTIPLIER));
    }
  }

  /** The queue that the registers show, if there is one. */
  get queue(): Virtqueue | undefined {
    return this.core.selected;
  }

  /** A vector as the register keeps it: one that is not there reads back as none. */
  vector(value: number): number {
    return value < this.#vectors ? value : NO_VECTOR;
  }

  setQueueVector(value: number): void {
    if (this.queue) this.core.vectors[this.core.queueSelect] = this.vector(value);
  }

  setQueueSize(value: number): void {
    const { queue } = this;
    const valid = queue && !queue.enabled && value > 0 && value <= queue.maxSize && (value & (value - 1)) === 0;
    if (valid) queue.size = value;
  }

  setAddress(name: keyof QueueAddresses, half: 0 | 1, value: number): void {
    const { queue } = this;
    if (!queue || queue.enabled) return;
    const { [name]: before } = queue.addresses;
    queue.addresses[name] = half === 0 ? before - (before % 2 ** 32) + value : value * 2 ** 32 + (before % 2 ** 32);
  }

  enableQueue(value: number): void {
    const { queue, core } = this;
    if (!queue || value !== 1 || queue.enabled) return;
    queue.enabled = true;
    core.notify(core.queueSelect);
  }

  resetQueue(value: number): void {
    const { queue, core } = this;
    if (!queue || value !== 1) return;
    const { eventIndex } = queue;
    queue.reset();
    queue.eventIndex = eventIndex;
    core.vectors[core.queueSelect] = NO_VECTOR;
  }
}

function readCommon(at: ModernRegisters, offset: number, size: number): number {
  const register = COMMON.find((candidate) => offset >= candidate[0] && offset < candidate[0] + candidate[1]);
  if (!register) return 0;
  const value = register[2](at) >>> ((offset - register[0]) * 8);
  return size === 4 ? value >>> 0 : value & (2 ** (size * 8) - 1);
}

function wordOf(features: bigint, word: number): number {
  return word > 1 ? 0 : Number((features >> BigInt(word * 32)) & 0xffffffffn);
}

/** An integer of up to four bytes; what lies past the end reads as zero. */
export function readLittleEndian(bytes: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value += (bytes[offset + i] ?? 0) * 2 ** (i * 8);
  return value;
}
