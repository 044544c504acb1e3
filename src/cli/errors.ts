/** What the process's exit status says. A guest's debug exit and signals have statuses of their own. */
export const STATUS = {
  ok: 0,
  /** A file is unreadable or invalid, or anything without a status of its own failed. */
  failed: 1,
  /** An option, a value or a size is wrong. */
  usage: 2,
  /** A triple fault, or the guest said that it panicked. */
  guestFault: 3,
  /** A file is missing. */
  missing: 4,
  /** The time given by --timeout passed. */
  timeout: 5,
  /** Added to a signal's number. */
  signalBase: 128,
} as const;

/** A failure that is told in one line, without a stack trace. */
export class CliError extends Error {
  readonly status: number;
  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** A wrong option or value. */
export class UsageError extends CliError {
  constructor(option: string, found: string, expected: string) {
    super(STATUS.usage, `${option}: found ${found}, expected ${expected}`);
  }
}
