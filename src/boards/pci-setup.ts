import type { PciBus, PciFunction } from '../machine/pci.ts';
import { PC_MEMORY, PC_PIRQ, PC_PORTS, PC_SLOT, pirqOf } from './pc-map.ts';

/** Configuration registers (PCI 3.0 section 6.1; Intel 82371SB and 82371AB data sheets). */
const VENDOR = 0x00;
const COMMAND = 0x04;
const BAR0 = 0x10;
const BAR_COUNT = 6;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;
const PIRQRC_FIRST = 0x60;
const PMBA = 0x40;
const PMREGMISC = 0x80;
const PMIOSE = 1;

/** Timing registers of both IDE channels, which say that the channels are in use. */
const IDETIM = 0x40;
const IDE_DECODE_ENABLE = 0x80008000;

/** The host bridge's attribute maps, with reads and writes of all areas going to RAM. */
const SHADOW_ALL = [
  [0x59, 1, 0x30],
  [0x5a, 4, 0x33333333],
  [0x5e, 2, 0x3333],
] as const;

const COMMAND_IO_MEMORY = 0x0003;
const BAR_IO = 1;
const BAR_TYPE_64 = 4;
const FIRST_PORT = 0xc000;
const LAST_PORT = 0xffff;

/** A base address register as sizing finds it. */
interface Bar {
  readonly function: PciFunction;
  readonly offset: number;
  readonly isIo: boolean;
  readonly is64: boolean;
  readonly length: number;
}

/**
 * Does for PCI what firmware does: gives every base address register a place, steers the interrupts and enables the
 * power management registers. Large ranges go first, so that alignment wastes nothing and places are repeatable.
 * @throws {RangeError} the ranges do not fit
 */
export function setUpPci(bus: PciBus): void {
  const bars: Bar[] = [];
  for (const place of bus.places) {
    const pciFunction = bus.at(place);
    if (pciFunction?.readConfig(VENDOR, 2) === 0xffff || !pciFunction) continue;
    bars.push(...sizeBars(pciFunction));
    routeInterrupt(pciFunction, place >> 3);
  }
  bars.sort((a, b) => b.length - a.length);
  const port = allocator(FIRST_PORT, LAST_PORT + 1);
  const memory = allocator(PC_MEMORY.pciHole, PC_MEMORY.pciHoleEnd);
  for (const bar of bars) place(bar, (bar.isIo ? port : memory)(bar.length));
  for (const { function: pciFunction } of bars) pciFunction.writeConfig(COMMAND, 2, COMMAND_IO_MEMORY);
  setUpBoard(bus);
}

function sizeBars(pciFunction: PciFunction): Bar[] {
  const bars: Bar[] = [];
  for (let index = 0; index < BAR_COUNT; index++) {
    const offset = BAR0 + index * 4;
    pciFunction.writeConfig(offset, 4, 0xffffffff);
    const mask = pciFunction.readConfig(offset, 4);
    pciFunction.writeConfig(offset, 4, 0);
    const isIo = (mask & BAR_IO) !== 0;
    const is64 = !isIo && (mask & BAR_TYPE_64) !== 0;
    const length = (~(mask & (isIo ? ~3 : ~15)) >>> 0) + 1;
    if (mask !== 0) bars.push({ function: pciFunction, offset, isIo, is64, length: isIo ? length & 0xffff : length });
    if (is64) index++;
  }
  return bars;
}

function place(bar: Bar, base: number): void {
  bar.function.writeConfig(bar.offset, 4, base);
  if (bar.is64) bar.function.writeConfig(bar.offset + 4, 4, 0);
}

function routeInterrupt(pciFunction: PciFunction, slot: number): void {
  const pin = pciFunction.readConfig(INTERRUPT_PIN, 1);
  if (pin >= 1 && pin <= 4) pciFunction.writeConfig(INTERRUPT_LINE, 1, PC_PIRQ[pirqOf(slot, pin - 1)]);
}

/** The chip set's own registers: shadow RAM, interrupt steering, IDE channels, and the power management function with its interrupt, the SCI. */
function setUpBoard(bus: PciBus): void {
  const at = ([slot, fn]: readonly [number, number]) => bus.at(slot * 8 + fn);
  for (const [i, irq] of PC_PIRQ.entries()) at(PC_SLOT.isaBridge)?.writeConfig(PIRQRC_FIRST + i, 1, irq);
  for (const [offset, size, value] of SHADOW_ALL) at(PC_SLOT.hostBridge)?.writeConfig(offset, size, value);
  at(PC_SLOT.ide)?.writeConfig(IDETIM, 4, IDE_DECODE_ENABLE);
  const power = at(PC_SLOT.powerManagement);
  power?.writeConfig(PMBA, 4, PC_PORTS.powerManagement[0]);
  power?.writeConfig(PMREGMISC, 1, PMIOSE);
}

/** Hands out aligned pieces of a range. */
function allocator(first: number, end: number): (length: number) => number {
  let next = first;
  return (length) => {
    const base = Math.ceil(next / length) * length;
    next = base + length;
    if (next > end) throw new RangeError(`no room for a PCI range of ${length} bytes below 0x${end.toString(16)}`);
    return base;
  };
}
