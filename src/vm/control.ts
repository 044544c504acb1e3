import type { RunExit } from '../machine/interfaces.ts';
import type { VmStatistics } from './statistics.ts';

/** What a machine is doing, in QEMU's words. */
export type VmStatus = 'running' | 'paused' | 'shutdown' | 'guest-panicked';

/** Why the guest stopped for good. */
export type ShutdownReason = Extract<RunExit, { kind: 'shutdown' }>['reason'];

/** What happens to a machine while it is watched. */
export type VmEvent =
  | { readonly kind: 'stop' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'powerdown' }
  /** The guest keeps another part of its RAM. */
  | { readonly kind: 'balloon_change'; readonly actualBytes: number }
  | { readonly kind: 'reset'; readonly byGuest: boolean }
  | { readonly kind: 'shutdown'; readonly reason: ShutdownReason };

/** Counters since power-on. */
export interface VmStats {
  /** Guest instructions retired. */
  readonly instructions: bigint;
  /** Guest time, in nanoseconds. */
  readonly guestNanos: bigint;
  /** Only where `VmConfig.statistics` asks for it. */
  readonly details?: VmStatistics;
}

/** The commands every way to control a machine (QMP, the command line, the library) translates to. */
export interface VmControl {
  readonly status: VmStatus;
  readonly stats: VmStats;
  /** Processors. */
  readonly cpuCount: number;
  /** One line for people that says where the guest is. */
  describe(): string;
  /** Stops guest time and execution before it resolves; does nothing to a machine that does not run. One that has not started starts
   * paused. */
  pause(): Promise<void>;
  /** Goes on after {@link pause}; does nothing to a machine that is not paused. */
  resume(): Promise<void>;
  /** As the reset button: the guest starts anew, paused or running as it was.
   * @throws {Error} its kernel cannot be read or booted any more: it goes on as if nothing had been asked */
  reset(): Promise<void>;
  /** As a short press of the power button: the guest is told through ACPI. */
  pressPowerButton(): void;
  /** @param listen called for every event from now on, until the returned function is called */
  onEvent(listen: (event: VmEvent) => void): () => void;
}
