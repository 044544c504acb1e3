import { DELIVERY_MODE, type InterruptMessage, interruptMessageOfMsi } from '../../base/interrupt-message.ts';
import type { MessageSink } from '../../machine/interfaces.ts';
import type { LocalApic } from './local-apic.ts';
import type { ApicMessageBus } from './wiring.ts';

/**
 * Carries interrupt messages between I/O APICs, devices and local APICs (Intel SDM 3A 11.6.2).
 *
 * A lowest-priority message goes to the addressed local APIC of lowest processor priority, the first added of equals.
 */
export class ApicBus implements ApicMessageBus, MessageSink {
  readonly #localApics: LocalApic[] = [];
  readonly #onEndOfInterrupt: (vector: number) => void;

  /** @param onEndOfInterrupt the I/O APICs' way to learn of an EOI */
  constructor(onEndOfInterrupt: (vector: number) => void) {
    this.#onEndOfInterrupt = onEndOfInterrupt;
  }

  add(localApic: LocalApic): void {
    this.#localApics.push(localApic);
  }

  send(message: InterruptMessage): void {
    const { destination, destinationMode, deliveryMode } = message;
    const addressed = this.#localApics.filter((apic) => apic.matches(destination, destinationMode));
    if (deliveryMode === DELIVERY_MODE.lowestPriority) deliverTo(lowestPriority(addressed), message);
    else deliverTo(addressed, message);
  }

  broadcast(message: InterruptMessage, except: LocalApic | undefined): void {
    deliverTo(
      this.#localApics.filter((apic) => apic !== except),
      message,
    );
  }

  /** A device's MSI. */
  message(address: number, data: number): void {
    this.send(interruptMessageOfMsi(address, data));
  }

  endOfInterrupt(vector: number): void {
    this.#onEndOfInterrupt(vector);
  }
}

function deliverTo(apics: readonly LocalApic[], { vector, deliveryMode, triggerMode }: InterruptMessage): void {
  for (const apic of apics) apic.deliver(vector, deliveryMode, triggerMode);
}

/** The one APIC to choose, or none. */
function lowestPriority(apics: readonly LocalApic[]): LocalApic[] {
  const [first, ...rest] = apics;
  if (!first) return [];
  return [rest.reduce((best, apic) => (apic.processorPriority < best.processorPriority ? apic : best), first)];
}
