import type { DeviceState, RunExit } from '../machine/interfaces.ts';
import { ConfigError, type VmConfig } from './config.ts';
import type { VmControl, VmEvent, VmStats, VmStatus } from './control.ts';

/** How a run ended: the guest shut down. */
export type Shutdown = Extract<RunExit, { kind: 'shutdown' }>;

/** A virtual machine. */
export class Vm implements VmControl {
  readonly status: VmStatus = 'paused';
  readonly stats: VmStats = { instructions: 0n, guestNanos: 0n };

  /** Makes a machine, ready to run its first instruction.
   * @throws {ConfigError} a value of `config` cannot be used */
  static async create(config: VmConfig): Promise<Vm> {
    throw new ConfigError('kernel', `${config.kernel.length} bytes`, 'a machine to run them, which is not here yet');
  }

  /** Runs the guest until it shuts down. */
  run(): Promise<Shutdown> {
    throw new Error('not implemented');
  }

  describe(): string {
    return this.status;
  }

  async pause(): Promise<void> {}

  async resume(): Promise<void> {}

  async reset(): Promise<void> {}

  pressPowerButton(): void {}

  onEvent(_listen: (event: VmEvent) => void): () => void {
    return () => {};
  }

  /** The state of the whole machine. */
  save(): DeviceState {
    return { version: 1 };
  }
}
