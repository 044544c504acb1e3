import { PcMachine, type PcMachineOptions } from '../../src/boards/pc-machine.ts';
import type { CharPort } from '../../src/machine/interfaces.ts';

/** A serial line of a test: what the guest wrote, and a way to type. */
export class TestSerial implements CharPort {
  output = '';
  #receive: (byte: number) => void = () => {};

  send(byte: number): void {
    this.output += String.fromCharCode(byte);
  }

  onByte(receive: (byte: number) => void): void {
    this.#receive = receive;
  }

  type(text: string): void {
    for (const character of text) this.#receive(character.charCodeAt(0));
  }
}

/** Instructions between two turns of the host's event loop. */
const TURN = 5_000_000;

/** A machine under the virtual clock, and its first serial line. */
export interface TestMachine {
  readonly machine: PcMachine;
  readonly serial: TestSerial;
}

/** Makes a machine whose behaviour depends on `options` alone. */
export function makeTestMachine(options: Pick<PcMachineOptions, 'boot'> & Partial<PcMachineOptions>): TestMachine {
  const serial = new TestSerial();
  const machine = new PcMachine({
    memoryBytes: 16 << 20,
    clock: 'virtual',
    hostNanos: () => 0n,
    startEpochMs: 0,
    seed: 1n,
    serial: [serial],
    sharedMemory: false,
    wake: () => {},
    ...options,
  });
  return { machine, serial };
}

/** Runs to an exact instruction count; idle time is skipped. @throws {Error} the run ends before, or nothing wakes the processor */
export function runTo(machine: PcMachine, count: number): void {
  while (machine.retired < count) {
    const exit = machine.run(count - machine.retired);
    const wakes = machine.awake || (machine.vcpu.acceptsInterrupts && machine.skipIdle());
    const goesOn = exit.kind === 'budget' || (exit.kind === 'halted' && wakes);
    if (!goesOn) throw new Error(`the run ended: ${JSON.stringify(exit)}, ${machine.vcpu.describe()}`);
  }
}

/** Runs until the guest shuts down; idle time is skipped, and the host does what it is asked for.
 * @throws {Error} it takes more instructions than `limit`, or nothing wakes the processor */
export async function runToShutdown(machine: PcMachine, limit: number): Promise<void> {
  while (machine.ended === undefined) {
    const exit = machine.run(TURN);
    if (exit.kind === 'hostWork') await machine.hostWork.drain();
    const asleep = exit.kind === 'halted' && !machine.awake && !machine.skipIdle();
    if (asleep || machine.retired > limit) throw new Error(`the guest does not end: ${machine.vcpu.describe()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
