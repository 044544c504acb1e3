import type { Device } from '../../machine/interfaces.ts';
import { readLittleEndian } from './modern-registers.ts';
import { NO_VECTOR, type VirtioCore } from './virtio-core.ts';

/** Registers of the legacy interface (virtio 1.2 section 4.1.4.10). */
const REG = {
  deviceFeatures: 0x00,
  driverFeatures: 0x04,
  queueAddress: 0x08,
  queueSize: 0x0c,
  queueSelect: 0x0e,
  queueNotify: 0x10,
  status: 0x12,
  isr: 0x13,
  configVector: 0x14,
  queueVector: 0x16,
} as const;

/** Where the device's configuration begins: behind the vectors while there are any. */
const CONFIG_WITHOUT_VECTORS = 0x14;
const CONFIG_WITH_VECTORS = 0x18;
const PAGE_BYTES = 4096;
const DESCRIPTOR_BYTES = 16;
const LEGACY_FEATURES = 0xffffffffn;

/** Bytes of the range: the registers and up to 64 bytes of configuration, rounded to a power of two. */
export const LEGACY_BYTES = 0x80;

/** The I/O ports of a transitional device, for drivers older than virtio 1.0. */
export class LegacyRegisters implements Pick<Device, 'read' | 'write'> {
  readonly #core: VirtioCore;
  readonly #vectors: number;
  readonly #hasVectors: () => boolean;

  /** @param vectors MSI-X vectors there are  @param hasVectors whether MSI-X is on */
  constructor(core: VirtioCore, vectors: number, hasVectors: () => boolean) {
    this.#core = core;
    this.#vectors = vectors;
    this.#hasVectors = hasVectors;
  }

  read(offset: number, size: number): number {
    const at = offset - this.#configStart;
    if (at >= 0) return readLittleEndian(this.#core.device.config, at, size);
    const { offered, driverFeatures, queueSelect, selected, status, configVector, vectors } = this.#core;
    switch (offset) {
      case REG.deviceFeatures:
        return Number(offered & LEGACY_FEATURES);
      case REG.driverFeatures:
        return Number(driverFeatures & LEGACY_FEATURES);
      case REG.queueAddress:
        return selected ? Math.floor(selected.addresses.descriptors / PAGE_BYTES) >>> 0 : 0;
      case REG.queueSize:
        return selected?.maxSize ?? 0;
      case REG.queueSelect:
        return queueSelect;
      case REG.status:
        return status;
      case REG.isr:
        return this.#core.takeIsr();
      case REG.configVector:
        return configVector;
      case REG.queueVector:
        return vectors[queueSelect] ?? NO_VECTOR;
      default:
        return 0;
    }
  }

  write(offset: number, size: number, value: number): void {
    const at = offset - this.#configStart;
    if (at >= 0) this.#core.device.configWritten?.(at, size, value);
    else this.#writeRegister(offset, value);
  }

  #writeRegister(offset: number, value: number): void {
    const core = this.#core;
    switch (offset) {
      case REG.driverFeatures:
        core.acceptFeatures(0, value);
        break;
      case REG.queueAddress:
        this.#placeQueue(value);
        break;
      case REG.queueSelect:
        core.queueSelect = value & 0xffff;
        break;
      case REG.queueNotify:
        core.notify(value);
        break;
      case REG.status:
        core.setStatus(value & 0xff);
        break;
      case REG.configVector:
        core.configVector = this.#vector(value);
        break;
      case REG.queueVector:
        if (core.selected) core.vectors[core.queueSelect] = this.#vector(value);
    }
  }

  get #configStart(): number {
    return this.#hasVectors() ? CONFIG_WITH_VECTORS : CONFIG_WITHOUT_VECTORS;
  }

  #vector(value: number): number {
    return value < this.#vectors ? value : NO_VECTOR;
  }

  /** Lays a queue out from a page on, as virtio 1.2 section 2.7.2 says; page 0 takes it away. */
  #placeQueue(page: number): void {
    const queue = this.#core.selected;
    if (!queue) return;
    const { eventIndex } = queue;
    queue.reset();
    queue.eventIndex = eventIndex;
    if (page === 0) return;
    const descriptors = page * PAGE_BYTES;
    const available = descriptors + queue.size * DESCRIPTOR_BYTES;
    const end = available + 4 + queue.size * 2 + 2;
    Object.assign(queue.addresses, { descriptors, available, used: Math.ceil(end / PAGE_BYTES) * PAGE_BYTES });
    queue.enabled = true;
  }
}
