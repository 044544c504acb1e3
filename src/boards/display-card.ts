import { StdVga } from '../devices/vga/std-vga.ts';
import type { MmioBus, PortBus } from '../machine/bus.ts';
import type { PciFunction } from '../machine/pci.ts';
import type { PciCard, PciSlot } from '../machine/pci-slot.ts';
import type { VideoMemory } from '../machine/video-memory.ts';
import { PC_MEMORY, PC_PORTS, PC_SLOT } from './pc-map.ts';

/** What a display adapter shows. */
export type DisplaySource = Pick<StdVga, 'scanout' | 'takeDirty'>;

/** The display adapter as a card, with the ports and the memory that every VGA has beside those of PCI. */
export class DisplayCard implements PciCard {
  readonly slot = PC_SLOT.display[0];
  readonly #memory: VideoMemory;
  #adapter: StdVga | undefined;

  constructor(memory: VideoMemory) {
    this.#memory = memory;
  }

  readonly plug = (slot: PciSlot): PciFunction => {
    this.#adapter = new StdVga({
      clock: slot.clock,
      memory: this.#memory,
      window: (kind, length, device, name) => slot.window(kind, length, device, name),
    });
    return this.#adapter;
  };

  /** Connects what is at fixed addresses, once the card has been plugged. */
  connect(ports: PortBus, mmio: MmioBus): DisplaySource {
    const adapter = this.#adapter;
    if (adapter === undefined) throw new Error('the display adapter is in no slot');
    ports.map(...PC_PORTS.vga, adapter.ports, 'vga', 1);
    ports.map(...PC_PORTS.dispiData, adapter.dispiData, 'dispiData', 2);
    ports.map(...PC_PORTS.dispiIndex, adapter.dispiIndex, 'dispiIndex', 2);
    mmio.map(PC_MEMORY.vga, PC_MEMORY.vgaEnd - PC_MEMORY.vga, adapter.window, 'vgaWindow', 4);
    return adapter;
  }
}
