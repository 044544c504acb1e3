import { makeEdid } from '../devices/vga/edid.ts';
import { StdVga } from '../devices/vga/std-vga.ts';
import type { VgaAdapter, VgaWiring } from '../devices/vga/vga-adapter.ts';
import type { MmioBus, PortBus } from '../machine/bus.ts';
import type { PciFunction } from '../machine/pci.ts';
import type { PciCard, PciSlot } from '../machine/pci-slot.ts';
import type { VideoMemory } from '../machine/video-memory.ts';
import { PC_MEMORY, PC_PORTS, PC_SLOT } from './pc-map.ts';
import { VirtioVga } from './virtio-vga.ts';

/** What a display adapter shows. */
export type DisplaySource = Pick<VgaAdapter, 'scanout' | 'takeDirty'>;

/** A card's PCI function, what it shows, and the VGA that is part of it. */
interface Adapter {
  readonly card: PciFunction;
  readonly source: DisplaySource;
  readonly vga: VgaAdapter;
}

const ADAPTERS = {
  std: (wiring) => {
    const vga = new StdVga(wiring);
    return { card: vga, source: vga, vga };
  },
  virtio: (wiring, slot) => {
    const card = new VirtioVga(wiring, slot);
    return { card, source: card, vga: card.vga };
  },
} as const satisfies Readonly<Record<string, (wiring: VgaWiring, slot: PciSlot) => Adapter>>;

/** Models of display adapters: a VGA with Bochs' modes, and one with a virtio GPU beside it. */
export const VGA_MODELS = Object.keys(ADAPTERS) as readonly VgaModel[];
/** A display adapter, by the word that asks for it. */
export type VgaModel = keyof typeof ADAPTERS;

/** The display adapter as a card, with the ports and the memory that every VGA has beside those of PCI. */
export class DisplayCard implements PciCard {
  readonly slot = PC_SLOT.display[0];
  readonly #memory: VideoMemory;
  readonly #model: VgaModel;
  #adapter: Adapter | undefined;

  constructor(memory: VideoMemory, model: VgaModel = 'std') {
    this.#memory = memory;
    this.#model = model;
  }

  readonly plug = (slot: PciSlot): PciFunction => {
    const wiring: VgaWiring = {
      clock: slot.clock,
      memory: this.#memory,
      edid: makeEdid(),
      window: (kind, length, device, name) => slot.window(kind, length, device, name),
    };
    this.#adapter = ADAPTERS[this.#model](wiring, slot);
    return this.#adapter.card;
  };

  /** Connects what is at fixed addresses, once the card has been plugged. */
  connect(ports: PortBus, mmio: MmioBus): DisplaySource {
    if (this.#adapter === undefined) throw new Error('the display adapter is in no slot');
    const { vga, source } = this.#adapter;
    ports.map(...PC_PORTS.vga, vga.ports, 'vga', 1);
    ports.map(...PC_PORTS.dispiData, vga.dispiData, 'dispiData', 2);
    ports.map(...PC_PORTS.dispiIndex, vga.dispiIndex, 'dispiIndex', 2);
    mmio.map(PC_MEMORY.vga, PC_MEMORY.vgaEnd - PC_MEMORY.vga, vga.window, 'vgaWindow', 4);
    return source;
  }
}
