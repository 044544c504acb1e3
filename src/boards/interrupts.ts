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
  readonly tsc: TscSource;
  /** rate of the local APIC's timer at divisor 1 */
  readonly apicTimerHz: number;
}

/**
 * The interrupt controllers of a PC and their wires. Every ISA interrupt goes to the PICs and to the I/O APIC; the
 * PICs' output goes to LINT0 of the local APIC, which alone drives the processor's INTR.
 */
export class Interrupts {
  readonly pic: DualPic8259;
  readonly ioApic: IoApic;
  readonly localApic: LocalApic;
  readonly #apicBus: ApicBus;
  readonly #irqs: readonly WiredOr[];

  constructor(options: InterruptOptions, socket: ProcessorSocket) {
    this.#apicBus = new ApicBus((vector) => this.ioApic.endOfInterrupt(vector));
    this.ioApic = new IoApic((message) => this.#apicBus.send(message));
    this.pic = new DualPic8259({ set: (level) => this.localApic.lint0.set(level) });
    this.localApic = new LocalApic({
      id: 0,
      bootstrap: true,
      clock: options.clock,
      output: socket.intr,
      processor: socket.apicProcessor,
      bus: this.#apicBus,
      acknowledgeExternal: () => this.pic.acknowledge(),
      tsc: options.tsc,
      timerHz: options.apicTimerHz,
    });
    this.#apicBus.add(this.localApic);
    socket.connect(this.localApic);
    this.#irqs = Array.from({ length: ISA_IRQS }, (_, irq) => new WiredOr({ set: (level) => this.#set(irq, level) }));
  }

  /** Where devices send their message-signalled interrupts. */
  get messages(): MessageSink {
    return this.#apicBus;
  }

  /** A wire for one more source of an ISA interrupt. @param irq 0 to 15 */
  irq(irq: number): IrqLine {
    return this.#irqs[irq].input();
  }

  #set(irq: number, level: boolean): void {
    if (irq === PIC_CASCADE_INPUT) return;
    this.pic.inputs[irq].set(level);
    this.ioApic.inputs[irq === PC_IRQ.timer ? IOAPIC_TIMER_PIN : irq].set(level);
  }
}
