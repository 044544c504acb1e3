import { ATA_REG, type TaskFile } from '../../machine/ata.ts';

/** What the feature register asks of SMART (ATA/ATAPI-7 volume 1, section 6.54). */
const SMART = { readData: 0xd0, autosave: 0xd2, offline: 0xd4, enable: 0xd8, disable: 0xd9, status: 0xda } as const;
/** What the cylinder registers must hold, and what they hold when the drive is well. */
const KEY = [0x4f, 0xc2] as const;
const DATA_BYTES = 512;
const VERSION = 1;
const OFFLINE_NEVER_STARTED = 0x00;

/**
 * Executes a SMART command of a drive that is always well.
 * @returns data for the host, or whether SMART is enabled now; undefined when the command is to be aborted
 */
export function runSmart({ current }: TaskFile, enabled: boolean): Uint8Array | boolean | undefined {
  const feature = current[ATA_REG.features];
  if (current[ATA_REG.lbaMid] !== KEY[0] || current[ATA_REG.lbaHigh] !== KEY[1]) return undefined;
  if (feature === SMART.enable) return true;
  if (!enabled) return undefined;
  if (feature === SMART.disable) return false;
  if (feature === SMART.readData) return smartData();
  return feature === SMART.status || feature === SMART.autosave || feature === SMART.offline ? true : undefined;
}

/** The device's data structure: no attributes. All its bytes add up to zero. */
function smartData(): Uint8Array {
  const data = new Uint8Array(DATA_BYTES);
  data[0] = VERSION;
  data[362] = OFFLINE_NEVER_STARTED;
  data[DATA_BYTES - 1] = -VERSION;
  return data;
}
