import { MmioBus, PortBus } from './bus.ts';
import { RamMemory } from './guest-memory.ts';
import { HostWork } from './host-work.ts';
import type { GuestMemory } from './interfaces.ts';
import { ManualClock } from './manual-clock.ts';
import type { PciFunction } from './pci.ts';
import { type PciSlot, windowsOn } from './pci-slot.ts';

/** Where the tests put base address registers: ports, memory. */
export const TEST_PORTS = 0xc000;
export const TEST_MEMORY = 0xfe000000;

const PAGE = 4096;
const BAR0 = 0x10;
const BARS = 6;

/** A slot for tests of cards, with what the card does to the world behind it. */
export class TestSlot implements PciSlot {
  readonly clock = new ManualClock();
  readonly hostWork = new HostWork(this.clock, 'arrival');
  readonly ports = new PortBus();
  readonly mmio = new MmioBus();
  readonly ram: Uint8Array;
  readonly pageFlags: Uint8Array;
  readonly memory: GuestMemory;
  readonly window = windowsOn(this.ports, this.mmio);
  /** The level of INTA#. */
  level = false;
  /** The data of messages sent. */
  readonly sent: number[] = [];
  /** Pages brought in. */
  readonly broughtIn: number[] = [];
  readonly interrupt = { set: (level: boolean) => (this.level = level) };
  readonly messages = { message: (_address: number, data: number) => this.sent.push(data) };

  /** @param ramBytes whole pages of RAM at address 0 */
  constructor(ramBytes = 1 << 20) {
    this.ram = new Uint8Array(ramBytes);
    this.pageFlags = new Uint8Array(ramBytes / PAGE);
    const host = { bytes: this.ram, pageFlags: this.pageFlags, ramOffset: 0 };
    const regions = [{ gpa: 0, length: ramBytes, hostOffset: 0 }];
    this.memory = new RamMemory(host, regions, { codeWrite: () => {}, firstWrite: () => {} });
  }

  async pageIn(gpa: number): Promise<void> {
    this.broughtIn.push(gpa);
    this.pageFlags[Math.floor(gpa / PAGE)] = 0;
  }

  /** Lets the host do everything it was asked for, and the card see it. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 100; turns++) {
      await this.hostWork.drain();
      await new Promise<void>((resolve) => queueMicrotask(resolve));
      this.hostWork.deliver();
    }
  }

  /** Gives each base address register a place, a megabyte apart in memory and 0x100 ports, and enables the card.
   * @returns the places, undefined where there is no register */
  place(card: PciFunction): (number | undefined)[] {
    const bases = Array.from({ length: BARS }, (_, index) => placeBar(card, index));
    card.writeConfig(4, 2, 7);
    return bases;
  }
}

function placeBar(card: PciFunction, index: number): number | undefined {
  const offset = BAR0 + index * 4;
  card.writeConfig(offset, 4, 0xffffffff);
  const mask = card.readConfig(offset, 4);
  const isUpperHalf = mask === 0xffffffff;
  const base = mask & 1 ? TEST_PORTS + index * 0x100 : TEST_MEMORY + index * 0x100000;
  card.writeConfig(offset, 4, isUpperHalf ? 0 : base);
  return mask === 0 || isUpperHalf ? undefined : base;
}
