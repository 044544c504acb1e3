import { ATA_REG, type TaskFile } from '../../machine/ata.ts';

/** Types of frames (Serial ATA 3.0 section 10.3). */
export const FIS_TYPE = { hostToDevice: 0x27, deviceToHost: 0x34, setDeviceBits: 0xa1, pioSetup: 0x5f } as const;

/** Where received frames go in a port's area (AHCI 1.3.1 section 4.2.1). */
export const RECEIVED = { pioSetup: 0x20, deviceToHost: 0x40, setDeviceBits: 0x58 } as const;

const INTERRUPT = 0x40;
const DIRECTION_TO_HOST = 0x20;
const STATUS_IN_SET_DEVICE_BITS = 0x77;

/** A frame with a drive's registers. */
export function deviceToHostFis({ current, previous, status, error }: TaskFile): Uint8Array {
  const [, , count, low, mid, high, device] = current;
  const upper = previous.subarray(ATA_REG.lbaLow, ATA_REG.device);
  const registers = [status, error, low, mid, high, device, ...upper, 0, count, previous[ATA_REG.count]];
  return padded([FIS_TYPE.deviceToHost, INTERRUPT, ...registers]);
}

/** A frame that announces a block of PIO. */
export function pioSetupFis(taskFile: TaskFile, toHost: boolean, bytes: number): Uint8Array {
  const fis = deviceToHostFis(taskFile);
  fis[0] = FIS_TYPE.pioSetup;
  fis[1] = INTERRUPT | (toHost ? DIRECTION_TO_HOST : 0);
  fis[15] = taskFile.status;
  fis[16] = bytes & 0xff;
  fis[17] = bytes >> 8;
  return fis;
}

/** A frame that tells which queued commands have ended. @param ended a bit for each */
export function setDeviceBitsFis({ status, error }: TaskFile, ended: number): Uint8Array {
  const fis = new Uint8Array(8);
  fis.set([FIS_TYPE.setDeviceBits, INTERRUPT, status & STATUS_IN_SET_DEVICE_BITS, error]);
  new DataView(fis.buffer).setUint32(4, ended, true);
  return fis;
}

/** Puts the registers of a command frame into a task file. */
export function loadTaskFile(taskFile: TaskFile, fis: Uint8Array): void {
  const [, , , features, low, mid, high, device, low2, mid2, high2, features2, count, count2] = fis;
  taskFile.previous.set([0, features2, count2, low2, mid2, high2, 0]);
  taskFile.current.set([0, features, count, low, mid, high, device]);
}

function padded(bytes: readonly number[]): Uint8Array {
  const fis = new Uint8Array(20);
  fis.set(bytes);
  return fis;
}
