import { EVENT_TYPE, type InputEvent, VirtioInput } from '../devices/virtio/input.ts';
import { POINTER, TABLET } from '../devices/virtio/input-devices.ts';
import { VirtioPci } from '../devices/virtio/virtio-pci.ts';
import type { PciFunction } from '../machine/pci.ts';
import type { PciCard, PciSlot } from '../machine/pci-slot.ts';
import { PC_CARD_SLOTS } from './pc-map.ts';

/** Codes of the buttons, by the bits that tell them. */
const BUTTONS = [
  [0x01, POINTER.left],
  [0x02, POINTER.right],
  [0x04, POINTER.middle],
  [0x08, POINTER.side],
  [0x10, POINTER.extra],
] as const;

/** A virtio tablet: guests that have a driver for it know where the pointer is. */
export class TabletCard implements PciCard {
  readonly slot = PC_CARD_SLOTS.tablet[0];
  readonly #device = new VirtioInput(TABLET);
  #buttons = 0;

  readonly plug = (slot: PciSlot): PciFunction => new VirtioPci(this.#device, slot);

  /** Whether a driver listens. */
  get isActive(): boolean {
    return this.#device.isListening;
  }

  /** Puts the pointer somewhere. @param x 0 to TABLET_MAX  @param wheel notches down  @param buttons bits: left, right, middle, side, extra */
  point(x: number, y: number, wheel: number, buttons: number): void {
    const events: InputEvent[] = [
      [EVENT_TYPE.absolute, POINTER.x, x],
      [EVENT_TYPE.absolute, POINTER.y, y],
    ];
    for (const [bit, code] of BUTTONS) {
      if ((buttons ^ this.#buttons) & bit) events.push([EVENT_TYPE.key, code, buttons & bit ? 1 : 0]);
    }
    if (wheel !== 0) events.push([EVENT_TYPE.relative, POINTER.wheel, -wheel]);
    this.#buttons = buttons;
    this.#device.send(events);
  }
}
