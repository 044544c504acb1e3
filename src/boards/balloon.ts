import { VirtioBalloon } from '../devices/virtio/balloon.ts';
import { VirtioPci } from '../devices/virtio/virtio-pci.ts';
import type { PciFunction } from '../machine/pci.ts';
import type { PciCard, PciSlot } from '../machine/pci-slot.ts';
import { PC_CARD_SLOTS } from './pc-map.ts';

/** The memory balloon: guests that have a driver for it give memory back that they do not need. */
export class BalloonCard implements PciCard {
  readonly slot = PC_CARD_SLOTS.balloon[0];
  readonly #changed: (givenBytes: number) => void;
  #device: VirtioBalloon | undefined;

  /** @param changed told how much the guest has given away in all, when that has changed */
  constructor(changed: (givenBytes: number) => void) {
    this.#changed = changed;
  }

  readonly plug = (slot: PciSlot): PciFunction => {
    this.#device = new VirtioBalloon(slot.memory, this.#changed);
    return new VirtioPci(this.#device, slot);
  };

  /** Bytes that the guest has given away. */
  get givenBytes(): number {
    return this.#device?.actualBytes ?? 0;
  }

  /** What the guest last told of its memory, by tag (virtio 1.2 section 5.5.6.4). */
  get statistics(): ReadonlyMap<number, bigint> {
    return this.#device?.statistics ?? new Map();
  }

  /** Asks the guest to have given away so many bytes in all. */
  ask(bytes: number): void {
    this.#device?.setTarget(bytes);
  }

  /** Asks the guest for new statistics. */
  askForStatistics(): void {
    this.#device?.requestStatistics();
  }
}
