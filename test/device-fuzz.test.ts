import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEVICE_SUBJECTS } from './fuzz/device-subjects.ts';
import { fuzzDevice } from './fuzz/hostile-device.ts';

const STEPS = 40_000;
const SEED = 20261121;

for (const subject of DEVICE_SUBJECTS) {
  test(`a hostile guest does not break ${subject.name}`, async () => {
    assert.equal(await fuzzDevice(subject, SEED, STEPS), undefined);
  });
}
