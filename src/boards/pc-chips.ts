import { CoprocessorError } from '../devices/coprocessor-error/coprocessor-error.ts';
import { DebugExit } from '../devices/debug-exit/debug-exit.ts';
import { DebugPort } from '../devices/debug-port/debug-port.ts';
import { PostPort } from '../devices/debug-port/post-port.ts';
import { IsaDma } from '../devices/dma8237/isa-dma.ts';
import { Fdc82078 } from '../devices/fdc82078/fdc82078.ts';
import type { FloppyDrive } from '../devices/fdc82078/floppy-drive.ts';
import { FwCfg } from '../devices/fw-cfg/fw-cfg.ts';
import type { FwCfgItems } from '../devices/fw-cfg/items.ts';
import { Hpet } from '../devices/hpet/hpet.ts';
import { I8042 } from '../devices/i8042/i8042.ts';
import { Mc146818 } from '../devices/mc146818/mc146818.ts';
import { PciConfigPorts } from '../devices/pci-host/config-ports.ts';
import { ResetControl } from '../devices/pci-host/reset-control.ts';
import { SystemControlPortA } from '../devices/pci-host/system-control.ts';
import { Piix4PmRegisters } from '../devices/piix4-pm/pm-registers.ts';
import { PcSpeaker } from '../devices/pit8254/pc-speaker.ts';
import { Pit8254 } from '../devices/pit8254/pit8254.ts';
import { SystemControlPortB } from '../devices/pit8254/system-control-port-b.ts';
import { PVPANIC_PANICKED, Pvpanic } from '../devices/pvpanic/pvpanic.ts';
import { Uart16550 } from '../devices/uart16550/uart16550.ts';
import { GENERATION_ID_BYTES, VmGenerationId } from '../devices/vm-generation-id/vm-generation-id.ts';
import { type ProcessorRegisters, VmPort } from '../devices/vmport/vmport.ts';
import type { BusWidth } from '../machine/bus.ts';
import type { HostWork } from '../machine/host-work.ts';
import type { AudioVoice, CharPort, Clock, GuestMemory, RunExit } from '../machine/interfaces.ts';
import { WiredOr } from '../machine/irq.ts';
import type { PciBus } from '../machine/pci.ts';
import type { Interrupts } from './interrupts.ts';
import { HPET_ROUTES, PC_FLOPPY_DMA, PC_IRQ, PC_PORTS } from './pc-map.ts';

/** How a guest ends its run. */
export type Shutdown = Extract<RunExit, { kind: 'shutdown' }>;

/** What the chips of a PC are connected to outside the board. */
export interface ChipOptions {
  readonly clock: Clock;
  readonly memory: GuestMemory;
  readonly hostWork: HostWork;
  /** time of the real-time clock at power-on, in milliseconds since 1970 */
  readonly startEpochMs: number;
  /** outside ends of COM1 and COM2; an absent one is not connected */
  readonly serial: readonly (CharPort | undefined)[];
  /** told when COM1 (0) or COM2 (1) can take input again */
  readonly onSerialSpace?: (port: number) => void;
  /** makes the line of a chip that sounds; absent where nobody hears them */
  readonly voice?: () => AudioVoice;
  /** where bytes written to ports 0xE9 and 0x402 go; the second is there only where someone listens */
  readonly debugOutput?: (byte: number) => void;
  /** the general registers of the processor, for the one chip that looks at them */
  readonly registers?: ProcessorRegisters;
  /** 16 bytes that no other machine has; default zeros */
  readonly generationId?: Uint8Array;
}

/** What the chips of a PC are connected to on the board. */
export interface ChipWiring {
  readonly interrupts: Interrupts;
  readonly pci: PciBus;
  readonly configuration: FwCfgItems;
  readonly floppies: readonly FloppyDrive[];
  setA20(open: boolean): void;
  end(reason: Shutdown['reason'], code?: number): void;
}

/** The chips, by their names in a saved state, sources of interrupts before the interrupt controllers. */
export type PcChips = ReturnType<typeof makeChips>;

const NO_REGISTERS: ProcessorRegisters = { get: () => 0, set: () => {} };
const NOT_CONNECTED: CharPort = { send: () => {}, onByte: () => {} };

/** Makes the chips and connects their pins. */
export function makeChips(options: ChipOptions, wiring: ChipWiring) {
  const { interrupts, pci, configuration, floppies, setA20, end } = wiring;
  const { clock, memory, hostWork } = options;
  const { pic, ioApic } = interrupts;
  const a20 = new WiredOr({ set: setA20 });
  const controllerA20 = a20.input();
  controllerA20.set(true); // as its output port says at power-on
  const hpet = new Hpet({
    clock,
    routes: HPET_ROUTES,
    route: (input) => interrupts.ioApicInput(input),
    isa: (irq) => interrupts.irq(irq),
  });
  const pit = new Pit8254(clock, hpet.pit);
  const isaDma = new IsaDma(memory);
  const uart = (irq: number, port: number) => {
    const space = () => options.onSerialSpace?.(port);
    return new Uart16550(clock, interrupts.irq(irq), options.serial[port] ?? NOT_CONNECTED, space);
  };
  const keyboard = new I8042({
    clock,
    keyboardIrq: interrupts.irq(PC_IRQ.keyboard),
    auxIrq: interrupts.irq(PC_IRQ.mouse),
    a20: controllerA20,
    reset: () => end('reset'),
  });
  return {
    debugExit: new DebugExit((value) => end('debugExit', value)),
    debugPort: new DebugPort((byte) => options.debugOutput?.(byte)),
    post: new PostPort(),
    generationId: new VmGenerationId(options.generationId ?? new Uint8Array(GENERATION_ID_BYTES)),
    pvpanic: new Pvpanic((events) => whenPanicked(events, () => end('panic'))),
    resetControl: new ResetControl(() => end('reset')),
    systemControl: new SystemControlPortA(a20.input(), () => end('reset')),
    pciConfig: new PciConfigPorts(pci),
    fwCfg: new FwCfg(configuration, memory),
    powerManagement: new Piix4PmRegisters(clock, interrupts.irq(PC_IRQ.sci), () => end('powerOff')),
    rtc: new Mc146818(clock, hpet.rtc, options.startEpochMs),
    keyboard,
    vmport: new VmPort(options.registers ?? NO_REGISTERS, () => keyboard.mouse.move(1, 0, 0, 0)),
    uart1: uart(PC_IRQ.uart1, 0),
    uart2: uart(PC_IRQ.uart2, 1),
    isaDma,
    floppy: new Fdc82078({
      drives: floppies,
      irq: interrupts.irq(PC_IRQ.floppy),
      dma: isaDma.channel(PC_FLOPPY_DMA),
      hostWork,
    }),
    pit,
    portB: new SystemControlPortB(clock, pit, new PcSpeaker(clock, pit, options.voice?.())),
    hpet,
    coprocessorError: new CoprocessorError(interrupts.irq(PC_IRQ.coprocessor)),
    picSlave: pic.slave,
    picMaster: pic.master,
    elcr: pic.elcr,
    ioApic,
  };
}

function whenPanicked(events: number, act: () => void): void {
  if (events & PVPANIC_PANICKED) act();
}

/** Ports of the fixed chips: chip, ports, widest access. Of overlapping rows the first wins. */
export const PORT_MAP: readonly (readonly [
  Exclude<keyof PcChips, 'isaDma' | 'hpet' | 'generationId'>,
  readonly [base: number, length: number],
  BusWidth,
])[] = [
  ['picMaster', PC_PORTS.picMaster, 1],
  ['pit', PC_PORTS.pit, 1],
  ['portB', PC_PORTS.portB, 1],
  ['keyboard', PC_PORTS.keyboardController, 1],
  ['rtc', PC_PORTS.rtc, 1],
  ['vmport', PC_PORTS.vmport, 4],
  ['post', PC_PORTS.post, 1],
  ['systemControl', PC_PORTS.systemControl, 1],
  ['picSlave', PC_PORTS.picSlave, 1],
  ['coprocessorError', PC_PORTS.coprocessorError, 1],
  ['debugPort', PC_PORTS.debug, 1],
  ['uart2', PC_PORTS.uart2, 1],
  ['floppy', PC_PORTS.floppy, 1],
  ['uart1', PC_PORTS.uart1, 1],
  ['elcr', PC_PORTS.elcr, 1],
  ['pvpanic', PC_PORTS.pvpanic, 1],
  ['fwCfg', PC_PORTS.fwCfg, 4],
  ['resetControl', PC_PORTS.resetControl, 1],
  ['pciConfig', PC_PORTS.pciConfig, 4],
];
