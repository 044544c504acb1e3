import { requireVersion } from '../base/state-version.ts';
import type { CfiFlash, FlashStore } from '../devices/cfi-flash/cfi-flash.ts';
import { FwCfgItems } from '../devices/fw-cfg/items.ts';
import { HPET_BYTES } from '../devices/hpet/hpet.ts';
import type { I8042 } from '../devices/i8042/i8042.ts';
import { ParallelPort } from '../devices/parallel-port/parallel-port.ts';
import { I440fx } from '../devices/pci-host/i440fx.ts';
import { Piix3 } from '../devices/pci-host/piix3.ts';
import { Piix4Pm } from '../devices/piix4-pm/piix4-pm.ts';
import type { Uart16550 } from '../devices/uart16550/uart16550.ts';
import { GENERATION_ID_BYTES } from '../devices/vm-generation-id/vm-generation-id.ts';
import type { VmPort } from '../devices/vmport/vmport.ts';
import { MmioBus, PortBus } from '../machine/bus.ts';
import type { HostWork } from '../machine/host-work.ts';
import type { Device, DeviceState, IrqLine, MessageSink } from '../machine/interfaces.ts';
import { WiredOr } from '../machine/irq.ts';
import { BusWindow, PciBus, type PciFunction } from '../machine/pci.ts';
import { type PciCard, windowsOn } from '../machine/pci-slot.ts';
import { driveCmos } from './drive-cmos.ts';
import { type DriveBay, makeDrives, makeIde, type PcDrive, type PcDrives, scsiCards } from './drives.ts';
import { mapFirmware, mapVariables } from './firmware-rom.ts';
import { type InterruptOptions, Interrupts } from './interrupts.ts';
import { type ChipOptions, makeChips, type PcChips, PORT_MAP, type Shutdown } from './pc-chips.ts';
import { APIC_PAGE_BYTES, PC_IRQ, PC_MEMORY, PC_PORTS, PC_SLOT, pirqOf } from './pc-map.ts';
import { type CpuPort, ProcessorSocket } from './processor-socket.ts';
import { plugSb16, type SoundModel } from './sound-card.ts';

export type { Shutdown };

/** What a PC is built around and connected to. */
export interface PcOptions extends ChipOptions, InterruptOptions {
  readonly cpu: CpuPort;
  /** processors; default 1 */
  readonly cpuCount?: number;
  /** first port of isa-debug-exit; absent without it */
  readonly debugExitPort?: number;
  /** called when the guest ends its run, while it executes the access that does so */
  readonly ended: (shutdown: Shutdown) => void;
  /** the ROM that the processor starts from; without it a loader says where it starts */
  readonly firmware?: Uint8Array;
  /** the flash chip below the ROM */
  readonly variables?: FlashStore;
  /** disks, and media in the CD and floppy drives */
  readonly drives?: readonly PcDrive[];
  /** takes what is printed on LPT1; without it there is no such port */
  readonly parallel?: (byte: number) => void;
  /** the sound card */
  readonly sound?: SoundModel;
  /** the PCI cards */
  readonly cards?: readonly PciCard[];
  /** brings a page of guest memory in; absent where none is ever absent */
  readonly pageIn?: (gpa: number) => Promise<void>;
}

/** A part of the board with a record of its own in a saved state. */
type SavedPart = Pick<Device, 'save' | 'restore'>;

const STATE_VERSION = 1;
const DEBUG_EXIT_PORTS = 4;
const PORT_COUNT = 0x10000;
const RTC_REGISTER_B = 0x0b;
/** PIE, AIE, UIE and SQWE, which a reset clears (MC146818A data sheet, "RESET"). */
const RTC_CLEARED_BY_RESET = 0x78;

/**
 * The PC: an i440FX board with the chips of `pc-chips.ts` at the addresses of `pc-map.ts`. It knows of the processor
 * only its {@link CpuPort}; the processor reaches the board through `processor`.
 */
export class PcBoard {
  /** Processors. */
  readonly cpuCount: number;
  readonly ports = new PortBus();
  readonly mmio = new MmioBus();
  readonly pci = new PciBus();
  /** What firmware can ask for. It belongs to the machine's configuration, not to its state. */
  readonly configuration = new FwCfgItems();
  /** The processors' side of the board. */
  readonly processors: readonly ProcessorSocket[];
  readonly #interrupts: Interrupts;
  readonly #hostWork: HostWork;
  readonly #drives: PcDrives;
  readonly #chips: PcChips;
  readonly #pirqs: readonly WiredOr[];
  readonly #variables: CfiFlash | undefined;
  readonly #isaCards: readonly (readonly [name: string, part: SavedPart])[];
  readonly #atPowerOn: DeviceState;

  constructor(options: PcOptions) {
    this.#hostWork = options.hostWork;
    this.#drives = makeDrives(options.drives ?? [], options.hostWork);
    this.cpuCount = options.cpuCount ?? 1;
    this.processors = Array.from(
      { length: this.cpuCount },
      (_, number) => new ProcessorSocket(this.ports, this.mmio, options.cpu, number),
    );
    this.#interrupts = new Interrupts(options, this.processors);
    this.#chips = makeChips(options, {
      interrupts: this.#interrupts,
      pci: this.pci,
      configuration: this.configuration,
      floppies: this.#drives.floppies,
      setA20: (open) => options.cpu.setA20(open),
      end: (reason, code = 0) => options.ended({ kind: 'shutdown', reason, code }),
    });
    for (const processor of this.processors) processor.connectCoprocessor(this.#chips.coprocessorError);
    this.#mapChips(options);
    this.#isaCards = this.#plugIsaCards(options);
    const piix3 = new Piix3(Array.from({ length: 16 }, (_, irq) => this.#interrupts.irq(irq)));
    this.#pirqs = piix3.pirqs.map((pirq) => new WiredOr(pirq));
    const [, pmLength] = PC_PORTS.powerManagement;
    const pmWindow = new BusWindow(this.ports, pmLength, this.#chips.powerManagement, 'power management', 4);
    const { firmware, variables } = options;
    if (firmware && variables) this.#variables = mapVariables(this.mmio, firmware, variables);
    const shadow = mapFirmware(this.mmio, options.memory, firmware, options.cpu.setPageAccess);
    this.pci.attach(...PC_SLOT.hostBridge, new I440fx(shadow));
    this.pci.attach(...PC_SLOT.isaBridge, piix3);
    this.pci.attach(...PC_SLOT.powerManagement, new Piix4Pm(pmWindow));
    this.pci.attach(...PC_SLOT.ide, this.#makeIde(options));
    for (const card of [...scsiCards(this.#drives), ...(options.cards ?? [])]) this.#plug(card, options);
    for (const [index, value] of driveCmos(this.#drives)) this.setCmos(index, value);
    this.#atPowerOn = this.save();
  }

  /** The drives of the machine and what is in them. */
  get drives(): readonly DriveBay[] {
    return this.#drives.bays;
  }

  /** COM1 and COM2. */
  get serial(): readonly Uart16550[] {
    return [this.#chips.uart1, this.#chips.uart2];
  }

  /** The keyboard controller's outside: where keys and the mouse are moved. */
  get keyboard(): I8042 {
    return this.#chips.keyboard;
  }

  /** The pointer of VMware's drivers. */
  get vmport(): VmPort {
    return this.#chips.vmport;
  }

  /** The power button: pressed while asserted. */
  get powerButton(): IrqLine {
    return this.#chips.powerManagement.powerButton;
  }

  /** Tells a guest that was restored if it is a copy: its generation ID is another. */
  tellGeneration(): void {
    if (!this.#chips.generationId.takeNews()) return;
    this.#chips.powerManagement.generalInput.set(true);
    this.#chips.powerManagement.generalInput.set(false);
  }

  /** Where PCI functions send MSI and MSI-X. */
  get messages(): MessageSink {
    return this.#interrupts.messages;
  }

  /** Puts a byte into the CMOS memory, as a PC's set-up program would. */
  setCmos(index: number, value: number): void {
    this.#chips.rtc.setCmos(index, value);
  }

  /** A wire for an interrupt pin of a PCI slot. @param pin 0 for INTA# to 3 for INTD# */
  pciInterrupt(slot: number, pin: number): IrqLine {
    return this.#pirqs[pirqOf(slot, pin)].input();
  }

  /** A wire for an ISA card's interrupt. @param irq 0 to 15 */
  isaInterrupt(irq: number): IrqLine {
    return this.#interrupts.irq(irq);
  }

  /** To be called after the guest has set a processor's TSC, on which its local APIC's timer may depend. */
  tscChanged(number: number): void {
    this.#interrupts.localApics[number].tscChanged();
  }

  /** Resets every chip. The real-time clock goes on, as its battery lets it, and flash keeps what was written. */
  reset(): void {
    const { index, ...rtc } = this.#chips.rtc.save();
    const ram = (rtc.ram as Uint8Array).slice();
    ram[RTC_REGISTER_B] &= ~RTC_CLEARED_BY_RESET;
    const atPowerOn = this.#atPowerOn.parts as Record<string, DeviceState>;
    const parts: Record<string, DeviceState> = { ...atPowerOn, rtc: { ...rtc, index, ram } };
    if (this.#variables) parts.variables = { ...parts.variables, content: this.#variables.content.slice() };
    this.restore({ ...this.#atPowerOn, parts });
  }

  save(): DeviceState {
    const parts = Object.fromEntries(this.#parts().map(([name, part]) => [name, part.save()]));
    return { version: STATE_VERSION, parts };
  }

  /** What an older version had no part for starts as at power-on. @throws {Error} when the state is of an unknown version */
  restore(state: DeviceState): void {
    requireVersion('PcBoard', state.version, STATE_VERSION);
    this.#hostWork.forgetAccesses();
    const saved = state.parts as Readonly<Record<string, DeviceState | undefined>>;
    const atPowerOn = this.#atPowerOn.parts as Readonly<Record<string, DeviceState>>;
    for (const [name, part] of this.#parts()) {
      part.restore(saved[name] ?? atPowerOn[name]);
    }
  }

  #makeIde({ memory, hostWork }: PcOptions): PciFunction {
    return makeIde(this.#drives, { memory, hostWork, ports: this.ports, irq: (number) => this.isaInterrupt(number) });
  }

  #plug({ slot, fn = 0, plug }: PciCard, { clock, memory, hostWork, pageIn }: PcOptions): void {
    const card = plug({
      clock,
      memory,
      hostWork,
      interrupt: this.pciInterrupt(slot, 0),
      messages: this.messages,
      pageIn: pageIn ?? (async () => {}),
      window: windowsOn(this.ports, this.mmio),
    });
    this.pci.attach(slot, fn, card);
  }

  #plugIsaCards({ clock, hostWork, voice, sound, parallel }: PcOptions): [name: string, part: SavedPart][] {
    const cards: [string, SavedPart][] = [];
    const irq = (number: number) => this.isaInterrupt(number);
    const dma = (number: number) => this.#chips.isaDma.channel(number);
    if (sound === 'sb16') cards.push(['sb16', plugSb16({ clock, hostWork, voice, ports: this.ports, irq, dma })]);
    if (parallel) {
      const port = new ParallelPort(irq(PC_IRQ.parallel), parallel);
      this.ports.map(...PC_PORTS.parallel, port, 'parallel', 1);
      cards.push(['parallel', port]);
    }
    return cards;
  }

  #mapChips({ debugExitPort, debugOutput }: PcOptions): void {
    const chips = this.#chips;
    if (debugOutput) this.ports.map(...PC_PORTS.firmwareDebug, chips.debugPort, 'firmwareDebug', 1);
    if (debugExitPort !== undefined) {
      const length = Math.min(DEBUG_EXIT_PORTS, PORT_COUNT - debugExitPort);
      this.ports.map(debugExitPort, length, chips.debugExit, 'debugExit', 4);
    }
    this.ports.map(...PC_PORTS.floppyChange, changeRegister(chips.floppy), 'floppyChange', 1);
    for (const [name, [base, length], width] of PORT_MAP) this.ports.map(base, length, chips[name], name, width);
    const { bytes, pages, words } = chips.isaDma;
    this.ports.map(...PC_PORTS.dmaBytes, bytes, 'dmaBytes', 1);
    this.ports.map(...PC_PORTS.dmaWords, words, 'dmaWords', 1);
    this.ports.map(...PC_PORTS.dmaPages, pages, 'dmaPages', 1);
    this.mmio.map(PC_MEMORY.ioApic, APIC_PAGE_BYTES, chips.ioApic, 'ioApic', 4);
    this.mmio.map(PC_MEMORY.hpet, HPET_BYTES, chips.hpet, 'hpet', 4);
    this.mmio.map(PC_MEMORY.generationId, GENERATION_ID_BYTES, chips.generationId, 'generationId', 4);
  }

  /** Everything with a state, sources of interrupts before what they are wired to, so that no edge is seen twice. */
  #parts(): (readonly [name: string, part: SavedPart])[] {
    const functions = this.pci.places.map((place) => [`pci${place >> 3}.${place & 7}`, this.#function(place)] as const);
    const { localApics } = this.#interrupts;
    const chips: [string, SavedPart][] = Object.entries(this.#chips);
    if (this.#variables) chips.push(['variables', this.#variables]);
    return [
      ...functions,
      ...this.#isaCards,
      ...chips,
      ...localApics.map((apic, n) => [numbered('localApic', n), apic] as const),
      ...this.processors.map((processor, n) => [numbered('processor', n), processor] as const),
    ];
  }

  #function(place: number): PciFunction {
    const found = this.pci.at(place);
    if (!found) throw new RangeError(`there is no PCI function ${place}`);
    return found;
  }
}

/** The name of a processor's part: the first one's has no number. */
function numbered(name: string, number: number): string {
  return number === 0 ? name : `${name}${number}`;
}

/** The register of the floppy controller that lies behind one of the IDE controller's. */
function changeRegister(floppy: PcChips['floppy']): Pick<Device, 'read' | 'write'> {
  const offset = PC_PORTS.floppyChange[0] - PC_PORTS.floppy[0];
  return {
    read: (_offset, size) => floppy.read(offset, size),
    write: (_offset, size, value) => floppy.write(offset, size, value),
  };
}
