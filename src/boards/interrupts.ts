import { IoApic } from '../devices/io-apic/io-apic.ts';
import { ApicBus } from '../devices/local-apic/apic-bus.ts';
import type { TscSource } from '../devices/local-apic/apic-timer.ts';
import { LocalApic } from '../devices/local-apic/local-apic.ts';
import { DualPic8259 } from '../devices/pic8259/dual-pic8259.ts';
import type { Clock, IrqLine, MessageSink } from '../machine/interfaces.ts';
import { WiredOr } from '../machine/irq.ts';
import { IOAPIC_TIMER_PIN, PC_IRQ, PIC_CASCADE_INPUT } from './pc-map.ts';
import type { ProcessorSocket } from './processor-socket.ts';

const ISA_IRQS = 16;

/** What the interrupt controllers need besides the processor. */
export interface InterruptOptions {
  readonly clock: Clock;
  /** the time-stamp counter of a processor */
  readonly tsc: (number: number) => TscSource;
  /** rate of the local APIC's timer at divisor 1 */
  readonly apicTimerHz: number;
}

/**
 * The interrupt controllers of a PC and their wires. Every ISA interrupt goes to the PICs and to the I/O APIC; the
 * PICs' output goes to LINT0 of every local APIC, which alone drives its processor's INTR.
 */
export class Interrupts {
  readonly pic: DualPic8259;
  readonly ioApic: IoApic;
  /** One for each processor. */
  readonly localApics: readonly LocalApic[];
  readonly #apicBus: ApicBus;
  readonly #irqs: readonly WiredOr[];
  /** Inputs of the I/O APIC that have no ISA interrupt, as far as something is wired to them. */
  readonly #ioApicWires = new Map<number, WiredOr>();

  constructor(options: InterruptOptions, sockets: readonly ProcessorSocket[]) {
    this.#apicBus = new ApicBus((vector) => this.ioApic.endOfInterrupt(vector));
    this.ioApic = new IoApic((message) => this.#apicBus.send(message));
    this.pic = new DualPic8259({
      set: (level) => {
        for (const { lint0 } of this.localApics) lint0.set(level);
      },
    });
    this.localApics = sockets.map((socket, id) => this.#makeApic(options, socket, id));
    this.#irqs = Array.from({ length: ISA_IRQS }, (_, irq) => new WiredOr({ set: (level) => this.#set(irq, level) }));
  }

  #makeApic({ clock, tsc, apicTimerHz }: InterruptOptions, socket: ProcessorSocket, id: number): LocalApic {
    const apic = new LocalApic({
      id,
      bootstrap: id === 0,
      clock,
      output: socket.intr,
      processor: socket.apicProcessor,
      bus: this.#apicBus,
      acknowledgeExternal: () => this.pic.acknowledge(),
      tsc: tsc(id),
      timerHz: apicTimerHz,
    });
    this.#apicBus.add(apic);
    socket.connect(apic);
    return apic;
  }

  /** Where devices send their message-signalled interrupts. */
  get messages(): MessageSink {
    return this.#apicBus;
  }

  /** A wire for one more source of an ISA interrupt. @param irq 0 to 15 */
  irq(irq: number): IrqLine {
    return this.#irqs[irq].input();
  }

  /** A wire for one more source of an I/O APIC input that no ISA interrupt has. @param input 16 to 23 */
  ioApicInput(input: number): IrqLine {
    const known = this.#ioApicWires.get(input);
    const wires = known ?? new WiredOr(this.ioApic.inputs[input]);
    this.#ioApicWires.set(input, wires);
    return wires.input();
  }

  #set(irq: number, level: boolean): void {
    if (irq === PIC_CASCADE_INPUT) return;
    this.pic.inputs[irq].set(level);
    this.ioApic.inputs[irq === PC_IRQ.timer ? IOAPIC_TIMER_PIN : irq].set(level);
  }
}
