import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WavFile } from './wav-file.ts';

test('a closed file has its samples and their length', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-wav-'));
  const path = join(folder, 'sound.wav');
  const file = new WavFile(path, assert.ifError);
  const samples = Int16Array.from({ length: 60_000 }, (_, i) => i - 30_000);
  for (let at = 0; at < samples.length; at += 7_000) file.play(samples.subarray(at, at + 7_000));
  file.close();
  const bytes = await readFile(path);
  assert.deepEqual([bytes.readUInt32LE(4), bytes.readUInt32LE(40)], [120_000 + 36, 120_000]);
  assert.deepEqual(new Int16Array(Uint8Array.from(bytes.subarray(44)).buffer), samples);
  await rm(folder, { recursive: true });
});

test('a file that cannot be written any more says so once', { skip: process.platform !== 'linux' }, () => {
  const complaints: string[] = [];
  const file = new WavFile('/dev/full', (error) => complaints.push(error.message));
  for (let n = 0; n < 3; n++) file.play(new Int16Array(100_000));
  file.close();
  assert.equal(complaints.length, 1);
  assert.match(complaints[0], /ENOSPC/);
});
