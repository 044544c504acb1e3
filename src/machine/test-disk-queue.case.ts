import { DiskQueue } from './disk-queue.ts';
import { HostWork } from './host-work.ts';
import { ManualClock } from './manual-clock.ts';
import { TestDisk } from './test-disk.case.ts';

const SECTOR = 512;

/** A disk whose sectors begin with their numbers, what the host does for it, and a way to let that be done. */
export function makeTestDisk(sectors: number, readOnly = false) {
  const clock = new ManualClock();
  const work = new HostWork(clock, 'arrival');
  const device = new TestDisk(sectors * SECTOR, readOnly);
  const view = new DataView(device.bytes.buffer);
  for (let sector = 0; sector < sectors; sector++) view.setUint32(sector * SECTOR, sector, true);
  const inSectors = (bytes: string) => String(Number(bytes) / SECTOR);
  /** What was asked, in sectors. */
  const log = () => device.log.map((line) => line.replaceAll(/\d+/g, inSectors));
  return { clock, work, device, log, disk: new DiskQueue(device, work), settle: () => settle(work) };
}

/** Lets the host do all that was asked, and all that follows from it. */
export async function settle(work: HostWork): Promise<void> {
  do {
    await work.drain();
    work.deliver();
  } while (work.wantsTurn);
}
