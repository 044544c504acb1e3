import type { DeviceState } from '../../machine/interfaces.ts';

export const UART16550_VERSION = 1;

/** The registers of a {@link Uart16550} that are not queues. */
export interface UartRegisters {
  divisor: number;
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scr: number;
  /** The modem inputs (bits 7-4) and their changes (bits 3-0). */
  msr: number;
  /** A THRE interrupt waits to be served. */
  threPending: boolean;
  /** The character time-out interrupt waits to be served. */
  timeoutPending: boolean;
  /** LSR bit 1. */
  overrun: boolean;
  /** Reads of the LSR in a row without any other access. */
  lsrPolls: number;
  /** When the character time-out falls due, or null. */
  timeoutNanos: bigint | null;
  /** Until when the line rests after a reset of the receiver, or null. */
  restNanos: bigint | null;
}

/** Everything a {@link Uart16550} remembers. */
export interface Uart16550State extends DeviceState, UartRegisters {
  version: typeof UART16550_VERSION;
  /** The receiver FIFO, oldest byte first. */
  fifo: Uint8Array;
  /** Bytes that have come from outside and wait for room in the FIFO. */
  inbound: Uint8Array;
}
