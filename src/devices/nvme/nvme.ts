import { requireVersion } from '../../base/state-version.ts';
import type { Disk } from '../../machine/disk-queue.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { MSIX_RANGE_BYTES, Msix } from '../../machine/msix.ts';
import { PciConfigSpace, type PciFunction } from '../../machine/pci.ts';
import type { PciSlot } from '../../machine/pci-slot.ts';
import { NVME_REGISTER_BYTES, NVME_VECTORS, NvmeController } from './controller.ts';
import { NVME_SUBSYSTEM_VENDOR, NVME_VENDOR } from './identify.ts';

/** QEMU's NVMe controller, by whose identity no driver takes it for one with faults. */
const DEVICE = 0x0010;
const SUBSYSTEM = 0x1100;
const REVISION = 2;
/** Mass storage, non-volatile memory, NVM Express. */
const CLASS = 0x010802;
const MSIX_BAR = 4;
const STATE_VERSION = 1;

/** A disk on the PCI bus by NVM Express 1.4: one namespace, eight pairs of queues with a vector each, MSI-X or INTA#. */
export class Nvme implements PciFunction {
  readonly #config: PciConfigSpace;
  readonly #msix: Msix;
  readonly #controller: NvmeController;

  /** @param serial up to 20 ASCII characters  @param number tells disks of one machine apart: 0 to FFh */
  constructor(disk: Disk, serial: string, number: number, slot: PciSlot) {
    this.#msix = new Msix(NVME_VECTORS, MSIX_BAR, slot.messages);
    const controller = new NvmeController({
      disk,
      memory: slot.memory,
      facts: { serial, number },
      pageIn: (gpa) => slot.pageIn(gpa),
      signal: (vector) => this.#msix.signal(vector),
      interruptChanged: () => this.#driveInterrupt(),
    });
    this.#controller = controller;
    const registers = {
      read: (offset: number, size: number) => partOf(controller.read(offset & ~3), offset, size),
      write: (offset: number, size: number, value: number) => {
        if (size === 4) controller.write(offset, value);
      },
    };
    this.#config = new PciConfigSpace(
      {
        vendor: NVME_VENDOR,
        device: DEVICE,
        revision: REVISION,
        classCode: CLASS,
        subsystemVendor: NVME_SUBSYSTEM_VENDOR,
        subsystem: SUBSYSTEM,
        interruptPin: 1,
        bars: [
          {
            index: 0,
            kind: 'memory64',
            length: NVME_REGISTER_BYTES,
            window: slot.window('memory64', NVME_REGISTER_BYTES, registers, 'nvme'),
          },
          {
            index: MSIX_BAR,
            kind: 'memory32',
            length: MSIX_RANGE_BYTES,
            window: slot.window('memory32', MSIX_RANGE_BYTES, this.#msix, 'nvmeMsix'),
          },
        ],
        capabilities: [this.#msix.capability],
      },
      slot.interrupt,
    );
  }

  readConfig(offset: number, size: number): number {
    return this.#config.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#config.writeConfig(offset, size, value);
    this.#driveInterrupt();
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      config: this.#config.save(),
      msix: this.#msix.save(),
      controller: this.#controller.save(),
    };
  }

  restore(state: DeviceState): void {
    requireVersion('Nvme', state.version, STATE_VERSION);
    this.#msix.restore(state.msix as DeviceState);
    this.#config.restore(state.config as DeviceState);
    this.#controller.restore(state.controller as DeviceState);
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    this.#config.interrupt(this.#controller.interrupting && !this.#msix.enabled);
  }
}

/** What a narrow access sees of a register of 32 bits. */
function partOf(value: number, offset: number, size: number): number {
  const part = value >>> ((offset & 3) * 8);
  return size === 4 ? part : part & (2 ** (size * 8) - 1);
}
