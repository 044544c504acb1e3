import type { InterruptMessage } from '../../base/interrupt-message.ts';
import type { Clock, IrqLine } from '../../machine/interfaces.ts';
import type { TscSource } from './apic-timer.ts';

/** What a local APIC tells its own processor besides maskable interrupts. */
export interface ApicProcessor {
  nmi(): void;
  /** INIT: the processor's registers take their INIT values and it waits for {@link startUp}, unless it is the BSP. */
  init(): void;
  /** A start-up IPI: start in real mode at physical `vector` × 4096. Ignored by a processor that does not wait. */
  startUp(vector: number): void;
}

/** A local APIC as a target of interrupt messages. */
export interface ApicReceiver {
  /** Whether a message with this destination is for this APIC. */
  matches(destination: number, destinationMode: 'physical' | 'logical'): boolean;
  /** Receives an interrupt. @param deliveryMode one of DELIVERY_MODE */
  deliver(vector: number, deliveryMode: number, triggerMode: 'edge' | 'level'): void;
  /** The processor priority, by which the receiver of a lowest-priority message is chosen. */
  priority(): number;
}

/** A local APIC's way to the others. */
export interface ApicMessageBus {
  /** Delivers to every local APIC the message addresses. */
  send(message: InterruptMessage): void;
  /** Delivers to every local APIC but `except`, whatever the message's destination. */
  broadcast(message: InterruptMessage, except: ApicReceiver | undefined): void;
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
  /** The processor's INTR: high while an interrupt waits to be acknowledged. */
  readonly output: IrqLine;
  readonly processor: ApicProcessor;
  readonly bus: ApicMessageBus;
  /** Runs the 8259A's acknowledge cycles for an ExtINT interrupt. @returns the vector */
  readonly acknowledgeExternal: () => number;
  readonly tsc: TscSource;
  /** The rate of the timer at divisor 1, as CPUID leaf 15h gives it. */
  readonly timerHz: number;
}
