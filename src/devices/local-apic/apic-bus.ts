import { DELIVERY_MODE, type InterruptMessage, interruptMessageOfMsi } from '../../base/interrupt-message.ts';
import type { MessageSink } from '../../machine/interfaces.ts';
import type { ApicMessageBus, ApicReceiver } from './wiring.ts';

/**
 * Carries interrupt messages between I/O APICs, devices and local APICs (Intel SDM 3A 11.6.2).
 *
 * A lowest-priority message goes to the addressed local APIC of lowest processor priority, the first added of equals.
 */
export class ApicBus implements ApicMessageBus, MessageSink {
  readonly #receivers: ApicReceiver[] = [];
  readonly #onEndOfInterrupt: (vector: number) => void;

  /** @param onEndOfInterrupt the I/O APICs' way to learn of an EOI */
  constructor(onEndOfInterrupt: (vector: number) => void) {
    this.#onEndOfInterrupt = onEndOfInterrupt;
  }

  add({ receiver }: { readonly receiver: ApicReceiver }): void {
    this.#receivers.push(receiver);
  }

  send(message: InterruptMessage): void {
    const { destination, destinationMode, deliveryMode } = message;
    const addressed = this.#receivers.filter((apic) => apic.matches(destination, destinationMode));
    if (deliveryMode === DELIVERY_MODE.lowestPriority) deliverTo(lowestPriority(addressed), message);
    else deliverTo(addressed, message);
  }

  broadcast(message: InterruptMessage, except: ApicReceiver | undefined): void {
    deliverTo(
      this.#receivers.filter((apic) => apic !== except),
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

function deliverTo(apics: readonly ApicReceiver[], { vector, deliveryMode, triggerMode }: InterruptMessage): void {
  for (const apic of apics) apic.deliver(vector, deliveryMode, triggerMode);
}

/** The one APIC to choose, or none. */
function lowestPriority(apics: readonly ApicReceiver[]): ApicReceiver[] {
  const [first, ...rest] = apics;
  if (!first) return [];
  return [rest.reduce((best, apic) => (apic.priority() < best.priority() ? apic : best), first)];
}
