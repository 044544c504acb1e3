import { requireVersion } from '../base/state-version.ts';
import type { DeviceState } from './interfaces.ts';

/** Registers of a drive's command block (ATA/ATAPI-7 volume 1, section 5), by their offset. */
export const ATA_REG = {
  data: 0,
  /** features when written, error when read */
  features: 1,
  count: 2,
  lbaLow: 3,
  lbaMid: 4,
  lbaHigh: 5,
  device: 6,
  /** command when written, status when read */
  command: 7,
} as const;

export const ATA_STATUS = { bsy: 0x80, drdy: 0x40, df: 0x20, dsc: 0x10, drq: 0x08, err: 0x01 } as const;
export const ATA_ERROR = { icrc: 0x80, unc: 0x40, mc: 0x20, idnf: 0x10, mcr: 0x08, abrt: 0x04 } as const;
/** Bits of the device register: LBA instead of cylinders, the second drive. */
export const ATA_DEVICE = { lba: 0x40, second: 0x10 } as const;

const REGISTERS = 8;
const DIAGNOSTIC_PASSED = 1;
const STATE_VERSION = 1;

/** A drive's registers. Each but the last holds two bytes: what was written last, and what before. */
export class TaskFile {
  readonly current = new Uint8Array(REGISTERS);
  readonly previous = new Uint8Array(REGISTERS);
  status = 0;
  error = 0;

  /** Writes one of the registers features to device. */
  write(register: number, value: number): void {
    this.previous[register] = this.current[register];
    this.current[register] = value;
  }

  /** Sets the current byte of each register from the sector count on, as a drive does. */
  set(count: number, lbaLow: number, lbaMid: number, lbaHigh: number): void {
    this.current.set([count, lbaLow, lbaMid, lbaHigh], ATA_REG.count);
  }

  /** What a drive shows after a reset or a diagnostic that it has passed. @param signature tells what drive it is */
  sign(signature: readonly [count: number, lbaLow: number, lbaMid: number, lbaHigh: number], status: number): void {
    this.previous.fill(0);
    this.set(...signature);
    this.current[ATA_REG.device] = 0;
    this.error = DIAGNOSTIC_PASSED;
    this.status = status;
  }

  /** The address in 28 bits. */
  get lba28(): number {
    const [, , , low, mid, high, device] = this.current;
    return (device & 0x0f) * 0x1000000 + high * 0x10000 + mid * 0x100 + low;
  }

  /** The address in 48 bits. */
  get lba48(): number {
    const [now, before] = [this.current, this.previous];
    return threeBytes(before) * 0x1000000 + threeBytes(now);
  }

  set lba48(lba: number) {
    for (let n = 0; n < 3; n++) {
      this.current[ATA_REG.lbaLow + n] = Math.floor(lba / 0x100 ** n);
      this.previous[ATA_REG.lbaLow + n] = Math.floor(lba / 0x100 ** (n + 3));
    }
  }

  save(): DeviceState {
    const { status, error } = this;
    return { version: STATE_VERSION, current: this.current.slice(), previous: this.previous.slice(), status, error };
  }

  restore(state: DeviceState): void {
    requireVersion('TaskFile', state.version, STATE_VERSION);
    this.current.set(state.current as Uint8Array);
    this.previous.set(state.previous as Uint8Array);
    this.status = Number(state.status);
    this.error = Number(state.error);
  }
}

function threeBytes(registers: Uint8Array): number {
  return registers[ATA_REG.lbaHigh] * 0x10000 + registers[ATA_REG.lbaMid] * 0x100 + registers[ATA_REG.lbaLow];
}

/** Data that a drive wants to have moved now: a block of PIO, or a piece of a DMA transfer. */
export interface AtaTransfer {
  readonly direction: 'toHost' | 'fromHost';
  readonly dma: boolean;
  /** What the drive has for the host, or where the host puts its data: an even number of bytes. */
  readonly data: Uint8Array;
}

/** The host's end of a drive's cable. */
export interface AtaHost {
  /** The drive's registers or its transfer have changed. @param interrupt whether it also asserts INTRQ */
  changed(interrupt: boolean): void;
}

/** A drive as its controller sees it, be the cable parallel or serial. */
export interface AtaDrive {
  readonly taskFile: TaskFile;
  /** What is to be moved now, if anything. */
  readonly transfer: AtaTransfer | undefined;
  /** Connects the host's end, which must be done before anything else. */
  connect(host: AtaHost): void;
  /** Executes a command whose parameters are in the task file. Ignored while the drive is busy. */
  execute(command: number): void;
  /** The whole {@link transfer} has been made. */
  transferred(): void;
  /** As at power-on or by SRST: the running command is forgotten. */
  reset(): void;
  save(): DeviceState;
  restore(state: DeviceState): void;
}

/** Puts text into identification data the way ATA has it: padded with blanks, the bytes of each word swapped. */
export function putAtaText(bytes: Uint8Array, word: number, lengthBytes: number, text: string): void {
  const padded = text.padEnd(lengthBytes).slice(0, lengthBytes);
  for (let i = 0; i < lengthBytes; i++) bytes[word * 2 + (i ^ 1)] = padded.charCodeAt(i);
}
