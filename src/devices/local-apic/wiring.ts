import type { InterruptMessage } from '../../base/interrupt-message.ts';
import type { Clock, IrqLine } from '../../machine/interfaces.ts';
import type { TscSource } from './apic-timer.ts';
import type { LocalApic } from './local-apic.ts';

/** What a local APIC tells its own processor besides maskable interrupts. */
export interface ApicProcessor {
  nmi(): void;
  /** INIT: the processor's registers take their INIT values and it waits for {@link startUp}, unless it is the BSP. */
  init(): void;
  /** A start-up IPI: start in real mode at physical `vector` × 4096. Ignored by a processor that does not wait. */
  startUp(vector: number): void;
}

/** A local APIC's way to the others. */
export interface ApicMessageBus {
  /** Delivers to every local APIC the message addresses. */
  send(message: InterruptMessage): void;
  /** Delivers to every local APIC but `except`, whatever the message's destination. */
  broadcast(message: InterruptMessage, except: LocalApic | undefined): void;
  /** Tells the I/O APICs that a level-triggered interrupt has been served. */
  endOfInterrupt(vector: number): void;
}

/** Everything a {@link LocalApic} is wired to. */
export interface LocalApicWiring {
  /** The APIC ID: below 255 for xAPIC mode. */
  readonly id: number;
  /** Whether this is the bootstrap processor's. */
  readonly bootstrap: boolean;
  readonly clock: Clock;
  /** High while {@link LocalApic.acknowledge} has something to give: the processor's INTR. */
  readonly output: IrqLine;
  readonly processor: ApicProcessor;
  readonly bus: ApicMessageBus;
  /** Runs the 8259A's acknowledge cycles for an ExtINT interrupt. @returns the vector */
  readonly acknowledgeExternal: () => number;
  readonly tsc: TscSource;
  /** The rate of the timer at divisor 1, as CPUID leaf 15h gives it. */
  readonly timerHz: number;
}
