import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzNetwork } from './fuzz/net.ts';

const FRAMES = 20_000;

test('mangled frames make the user-mode network neither throw nor grow', async () => {
  const report = await fuzzNetwork(1n, () => false, FRAMES);
  assert.equal(report.frames, FRAMES);
  assert.ok(report.answers > 500 && report.streams > 50, JSON.stringify(report));
  assert.deepEqual(await fuzzNetwork(1n, () => false, FRAMES), report);
});
