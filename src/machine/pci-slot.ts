import type { MmioBus, PortBus } from './bus.ts';
import type { HostWork } from './host-work.ts';
import type { Clock, Device, GuestMemory, IrqLine, MessageSink } from './interfaces.ts';
import { BusWindow, type PciBar, type PciFunction, type PciWindow } from './pci.ts';

/** What a card finds in its slot: everything that a PCI function may be connected to. */
export interface PciSlot {
  readonly clock: Clock;
  /** Memory as a bus master reaches it. */
  readonly memory: GuestMemory;
  /** What the host does for the card: disk requests go there through a DiskQueue. */
  readonly hostWork: HostWork;
  /** INTA# */
  readonly interrupt: IrqLine;
  /** Where MSI and MSI-X go. */
  readonly messages: MessageSink;
  /** Brings the page at a guest-physical address in, so that {@link memory} has it. */
  pageIn(gpa: number): Promise<void>;
  /** Makes the window that a base address register moves. @param length bytes, as the register decodes */
  window(kind: PciBar['kind'], length: number, device: Pick<Device, 'read' | 'write'>, name: string): PciWindow;
}

/** A card for a slot that the board's configuration names. */
export interface PciCard {
  /** 0 to 31; one that the board does not use itself */
  readonly slot: number;
  /** 0, the default, to 7 */
  readonly fn?: number;
  /** Makes the function, connected to the slot. */
  plug(slot: PciSlot): PciFunction;
}

/** Makes windows on the buses behind a slot. */
export function windowsOn(ports: PortBus, mmio: MmioBus): PciSlot['window'] {
  return (kind, length, device, name) => new BusWindow(kind === 'io' ? ports : mmio, length, device, name, 4);
}
