// Writes to an image until it is killed, and tells after each flush which step is on stable storage.
import { writeSync } from 'node:fs';
import { openDisk } from '../../src/disk/open.ts';
import { nodeDiskHost } from '../../src/host/node/disk-host.ts';
import { doStep, makeSteps, STEPS_PER_FLUSH } from './stamped.ts';

const [, , path = '', seed = ''] = process.argv;
const disk = await openDisk(path, {}, nodeDiskHost);
const next = makeSteps(Number(seed), disk.sizeBytes / 512);
for (let number = 1; ; number++) {
  await doStep(disk, next(), number);
  if (number % STEPS_PER_FLUSH !== 0) continue;
  await disk.flush();
  writeSync(1, `${number}\n`);
}
