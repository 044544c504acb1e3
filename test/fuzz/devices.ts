/**
 * Fuzzing devices: `node test/fuzz/devices.ts --steps 1000000 --seed N --device virtio-net`. A guest writes random registers,
 * descriptors and queues, frames arrive, pages are absent, time passes. Nothing may throw, hang, reach memory beside the
 * guest's or make the device's state grow without bound.
 */

import { scriptOptions } from '../script-options.ts';
import { DEVICE_SUBJECTS } from './device-subjects.ts';
import { fuzzDevice } from './hostile-device.ts';

const values = scriptOptions(
  {
    command: 'npm run fuzz:devices',
    about: 'uses devices as no driver would',
    example: '--device ahci --steps 100000',
  },
  {
    steps: { value: 'N', about: 'for each device', default: '1000000' },
    seed: { value: 'N', about: 'which steps', default: '1' },
    device: { value: 'NAME', about: 'one device alone' },
  } as const,
);
const subjects = DEVICE_SUBJECTS.filter(({ name }) => values.device === undefined || name === values.device);
if (subjects.length === 0)
  throw new RangeError(`--device is one of ${DEVICE_SUBJECTS.map(({ name }) => name).join(', ')}`);
for (const subject of subjects) {
  const started = performance.now();
  const finding = await fuzzDevice(subject, Number(values.seed), Number(values.steps));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const resident = Math.round(process.memoryUsage.rss() / 2 ** 20);
  console.log(
    `${subject.name}: ${finding ? `FOUND at step ${finding.step}` : `${values.steps} steps`}, ${seconds} s, ${resident} MiB resident`,
  );
  if (!finding) continue;
  console.log(finding.error.stack);
  process.exitCode = 1;
}
