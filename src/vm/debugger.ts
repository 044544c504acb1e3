import { MachineDebugger } from '../boards/debug/machine-debugger.ts';
import type { PcMachine } from '../boards/pc-machine.ts';
import type { VmControl } from './control.ts';

/** What a debugger does to a machine, while it is paused. */
export class VmDebugger extends MachineDebugger {
  readonly vm: VmControl;

  constructor(vm: VmControl, machine: PcMachine) {
    super(machine);
    this.vm = vm;
  }

  /** Lets the guest run until a point is met or it is paused. */
  async resume(): Promise<void> {
    this.apply();
    await this.vm.resume();
  }

  /** Has one processor execute one instruction; the machine is paused behind it. */
  async step(number: number): Promise<void> {
    this.stepNext(number);
    await this.resume();
  }

  /** Forgets all points: the guest runs as if there had been no debugger. */
  async detach(): Promise<void> {
    this.clear();
    await this.resume();
  }
}
