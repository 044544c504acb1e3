import { requireVersion } from '../base/state-version.ts';
import { VGA_COMPATIBLE } from '../devices/vga/std-vga.ts';
import { VgaAdapter, type VgaWiring } from '../devices/vga/vga-adapter.ts';
import { VirtioGpu } from '../devices/virtio/gpu/gpu.ts';
import { VirtioPci } from '../devices/virtio/virtio-pci.ts';
import type { DeviceState } from '../machine/interfaces.ts';
import type { PciFunction } from '../machine/pci.ts';
import type { PciSlot } from '../machine/pci-slot.ts';

const STATE_VERSION = 1;

/**
 * A card that is a VGA until a driver takes its GPU over, as QEMU's virtio-vga: firmware and boot loaders know the one,
 * and drivers find the other by its capabilities.
 */
export class VirtioVga implements PciFunction {
  readonly vga: VgaAdapter;
  readonly #gpu: VirtioGpu;
  readonly #card: VirtioPci;
  /** Whether the GPU's picture was shown the last time. */
  #showedGpu = false;

  constructor(wiring: VgaWiring, slot: PciSlot) {
    this.vga = new VgaAdapter(wiring);
    this.#gpu = new VirtioGpu({ memory: slot.memory, edid: wiring.edid });
    this.#card = new VirtioPci(this.#gpu, slot, { classCode: VGA_COMPATIBLE, bars: this.vga.bars });
  }

  scanout() {
    return this.#gpu.isActive ? this.#gpu.scanout() : this.vga.scanout();
  }

  /** As DisplaySource has it: where the other half of the card is shown now, everything is new. */
  takeDirty(): Uint8Array {
    const showsGpu = this.#gpu.isActive;
    const isOther = showsGpu !== this.#showedGpu;
    this.#showedGpu = showsGpu;
    const dirty = showsGpu ? this.#gpu.takeDirty() : this.vga.takeDirty();
    return isOther ? dirty.fill(1) : dirty;
  }

  readConfig(offset: number, size: number): number {
    return this.#card.readConfig(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.#card.writeConfig(offset, size, value);
  }

  save(): DeviceState {
    return { version: STATE_VERSION, vga: this.vga.save(), gpu: this.#card.save() };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioVga', state.version, STATE_VERSION);
    this.vga.restore(state.vga as DeviceState);
    this.#card.restore(state.gpu as DeviceState);
  }
}
