import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { MSIX_RANGE_BYTES, Msix } from '../../machine/msix.ts';
import { type PciBar, type PciCapability, PciConfigSpace, type PciFunction } from '../../machine/pci.ts';
import type { PciSlot } from '../../machine/pci-slot.ts';
import { LEGACY_BYTES, LegacyRegisters } from './legacy-registers.ts';
import { COMMON_BYTES, MODERN_LAYOUT, ModernRegisters, NOTIFY_MULTIPLIER } from './modern-registers.ts';
import { VirtioCore } from './virtio-core.ts';
import { VIRTIO_TYPE, type VirtioDevice } from './virtio-device.ts';

const VENDOR = 0x1af4;
const MODERN_DEVICE = 0x1040;
const MODERN_REVISION = 1;
const TRANSITIONAL_REVISION = 0;

/** What PCI configuration says of a type: the transitional device, where there is one, and the class. */
const IDENTITIES: Readonly<Record<number, { readonly transitional?: number; readonly classCode: number }>> = {
  [VIRTIO_TYPE.net]: { transitional: 0x1000, classCode: 0x020000 },
  [VIRTIO_TYPE.block]: { transitional: 0x1001, classCode: 0x010000 },
  [VIRTIO_TYPE.balloon]: { transitional: 0x1002, classCode: 0x00ff00 },
  [VIRTIO_TYPE.console]: { transitional: 0x1003, classCode: 0x078000 },
  [VIRTIO_TYPE.scsi]: { transitional: 0x1004, classCode: 0x010000 },
  [VIRTIO_TYPE.entropy]: { transitional: 0x1005, classCode: 0x00ff00 },
  [VIRTIO_TYPE.ninep]: { transitional: 0x1009, classCode: 0x000200 },
  [VIRTIO_TYPE.gpu]: { classCode: 0x038000 },
  [VIRTIO_TYPE.input]: { classCode: 0x098000 },
  [VIRTIO_TYPE.vsock]: { classCode: 0x028000 },
};

const CAPABILITY_VENDOR = 0x09;
/** Types of virtio capabilities (virtio 1.2 section 4.1.4). */
const CFG_TYPE = { common: 1, notify: 2, isr: 3, device: 4, pciAccess: 5 } as const;
const BAR = { legacy: 0, msix: 1, modern: 4 } as const;
/** The capability through which configuration accesses reach the registers: it comes first, to be at a known place. */
const ACCESS_CAPABILITY = 0x40;
const ACCESS = { bar: 4, offset: 8, length: 12, data: 16, end: 20 } as const;
const DEVICE_CONFIG_BYTES = 0x1000;
const STATE_VERSION = 1;

/** What else a card is, beside its virtio device. */
export interface CardBeside {
  readonly classCode: number;
  /** Registers 0, 2 and 3 are free. */
  readonly bars: readonly PciBar[];
}

/** A virtio device on the PCI bus (virtio 1.2 section 4.1): of version 1, and transitional where older drivers exist. */
export class VirtioPci implements PciFunction {
  readonly #config: PciConfigSpace;
  readonly #msix: Msix;
  readonly #core: VirtioCore;
  readonly #registers: ModernRegisters;

  constructor(device: VirtioDevice, slot: PciSlot, beside?: CardBeside) {
    const identity = IDENTITIES[device.type] ?? { classCode: 0xff0000 };
    const transitional = identity.transitional !== undefined;
    const vectors = device.queueSizes.length + 1;
    this.#msix = new Msix(vectors, BAR.msix, slot.messages);
    this.#core = new VirtioCore(device, {
      memory: slot.memory,
      clock: slot.clock,
      pageIn: (gpa) => slot.pageIn(gpa),
      transitional,
      interrupts: { message: (vector) => this.#message(vector), pin: (level) => this.#config?.interrupt(level) },
    });
    this.#registers = new ModernRegisters(this.#core, vectors);
    const legacy = new LegacyRegisters(this.#core, vectors, () => this.#msix.enabled);
    const bars: PciBar[] = [
      ...(beside?.bars ?? []),
      { index: BAR.msix, kind: 'memory32', ...windowOf(slot, 'memory32', MSIX_RANGE_BYTES, this.#msix) },
      { index: BAR.modern, kind: 'memory64', prefetchable: true, ...this.#modernWindow(slot) },
    ];
    if (transitional) bars.push({ index: BAR.legacy, kind: 'io', ...windowOf(slot, 'io', LEGACY_BYTES, legacy) });
    this.#config = new PciConfigSpace(
      {
        vendor: VENDOR,
        device: identity.transitional ?? MODERN_DEVICE + device.type,
        revision: transitional ? TRANSITIONAL_REVISION : MODERN_REVISION,
        classCode: beside?.classCode ?? identity.classCode,
        subsystemVendor: VENDOR,
        subsystem: transitional ? device.type : MODERN_DEVICE + device.type,
        interruptPin: 1,
        bars,
        capabilities: [...virtioCapabilities(), this.#msix.capability],
      },
      slot.interrupt,
    );
  }

  readConfig(offset: number, size: number): number {
    if (isAccessData(offset, size)) return this.#access((at, bytes) => this.#registers.read(at, bytes));
    return this.#config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#config.writeConfig(offset, size, value);
    if (!isAccessData(offset, size)) return;
    this.#access((at, bytes) => {
      this.#registers.write(at, bytes, bytes === 4 ? value : value & (2 ** (bytes * 8) - 1));
      return 0;
    });
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      config: this.#config.save(),
      msix: this.#msix.save(),
      core: this.#core.save(),
      deviceFeatureSelect: this.#registers.deviceFeatureSelect,
      driverFeatureSelect: this.#registers.driverFeatureSelect,
    };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioPci', state.version, STATE_VERSION);
    this.#msix.restore(state.msix as DeviceState);
    this.#config.restore(state.config as DeviceState);
    this.#core.restore(state.core as DeviceState);
    this.#registers.deviceFeatureSelect = Number(state.deviceFeatureSelect);
    this.#registers.driverFeatureSelect = Number(state.driverFeatureSelect);
  }

  #modernWindow(slot: PciSlot) {
    return windowOf(slot, 'memory64', MODERN_LAYOUT.length, this.#registers);
  }

  #message(vector: number): boolean {
    if (!this.#msix.enabled) return false;
    if (this.#config.busMaster) this.#msix.signal(vector);
    return true;
  }

  /** An access to the registers by way of configuration space (virtio 1.2 section 4.1.4.9). */
  #access(access: (offset: number, size: number) => number): number {
    const field = (offset: number, size: number) => this.#config.readConfig(ACCESS_CAPABILITY + offset, size);
    const [offset, size] = [field(ACCESS.offset, 4), field(ACCESS.length, 4)];
    const valid = (size === 1 || size === 2 || size === 4) && offset % size === 0;
    const inside = field(ACCESS.bar, 1) === BAR.modern && offset + size <= MODERN_LAYOUT.length;
    return valid && inside ? access(offset, size) : 0;
  }
}

function isAccessData(offset: number, size: number): boolean {
  return offset >= ACCESS_CAPABILITY + ACCESS.data && offset + size <= ACCESS_CAPABILITY + ACCESS.end;
}

function windowOf(slot: PciSlot, kind: PciBar['kind'], length: number, device: Parameters<PciSlot['window']>[2]) {
  return { length, window: slot.window(kind, length, device, 'virtio') };
}

function virtioCapabilities(): PciCapability[] {
  const { common, isr, device, notify } = MODERN_LAYOUT;
  const access = virtioCapability(CFG_TYPE.pciAccess, 0, 0, [0]);
  for (let offset: number = ACCESS.bar; offset < ACCESS.end; offset++) access.writable[offset - 2] = 0xff;
  return [
    access,
    virtioCapability(CFG_TYPE.common, common, COMMON_BYTES),
    virtioCapability(CFG_TYPE.isr, isr, 1),
    virtioCapability(CFG_TYPE.device, device, DEVICE_CONFIG_BYTES),
    virtioCapability(CFG_TYPE.notify, notify, MODERN_LAYOUT.length - notify, [NOTIFY_MULTIPLIER]),
  ];
}

/** A capability that says where a part of the registers lies; `more` are the words behind. */
function virtioCapability(type: number, offset: number, length: number, more: readonly number[] = []): PciCapability {
  const bytes = new Uint8Array(14 + more.length * 4);
  const view = new DataView(bytes.buffer);
  bytes.set([bytes.length + 2, type, type === CFG_TYPE.pciAccess ? 0 : BAR.modern]);
  for (const [index, word] of [offset, length, ...more].entries()) view.setUint32(6 + index * 4, word, true);
  return { id: CAPABILITY_VENDOR, bytes, writable: new Uint8Array(bytes.length) };
}
