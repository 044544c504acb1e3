import { constants } from 'node:os';
import type { Shutdown } from '../vm/index.ts';
import { STATUS } from './errors.ts';

/** How a machine in the foreground ends: the process's exit status and, unless all is well, what is said. */
export interface Ending {
  readonly status: number;
  readonly message?: string;
}

const LAUNCHER_CHECK_MILLIS = 1000;
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The ending that a guest's shutdown is. */
export function endingOf({ reason, code }: Shutdown): Ending {
  switch (reason) {
    case 'powerOff':
    case 'reset':
      return { status: STATUS.ok };
    case 'tripleFault':
      return { status: STATUS.guestFault, message: 'the guest triple-faulted' };
    case 'panic':
      return { status: STATUS.guestFault, message: 'the guest panicked' };
    case 'debugExit':
      return { status: debugExitStatus(code) };
  }
}

/** An exit status that is never 0, as QEMU's isa-debug-exit gives it; the system keeps its lowest eight bits. */
function debugExitStatus(value: number): number {
  return ((value << 1) | 1) & 0xff;
}

/** The first of all endings that may come from outside the guest. */
export class OutsideEnding {
  readonly first: Promise<Ending>;
  readonly end: (ending: Ending) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.first = promise;
    this.end = resolve;
  }

  /** Ends on the signals that ask a process to end, with their usual statuses. */
  onSignals(): void {
    for (const signal of ENDING_SIGNALS) {
      process.on(signal, () => this.end({ status: STATUS.signalBase + constants.signals[signal] }));
    }
  }

  /** Ends as on SIGHUP when the launcher this process runs under was killed, since nobody could end the machine then.
   * Looking for it also keeps the event loop going while a guest waits for what never comes. */
  onLostLauncher(): void {
    const launcher = process.env.VITRINE_LAUNCHER;
    delete process.env.VITRINE_LAUNCHER;
    const isLost = () => launcher !== undefined && launcher !== `${process.ppid}`;
    const lost = { status: STATUS.signalBase + constants.signals.SIGHUP };
    setInterval(() => isLost() && this.end(lost), LAUNCHER_CHECK_MILLIS);
  }

  /** Ends when nobody reads standard output any more. */
  onClosedOutput(): void {
    process.stdout.on('error', (error) => {
      this.end({ status: STATUS.failed, message: `--serial: standard output failed: ${error.message}` });
    });
  }

  /** Ends when the time has passed; then `describe` says what the guest is doing. */
  onTimeout(millis: number, describe: () => string): void {
    setTimeout(() => {
      const message = `--timeout: ${millis / 1000} s passed; the guest is ${describe()}`;
      this.end({ status: STATUS.timeout, message });
    }, millis);
  }
}
