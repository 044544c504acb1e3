import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilePace } from './file-pace.ts';

test('accesses are made at once until several in a row are slow, then beside for a while', async () => {
  let now = 0;
  const pace = new FilePace(() => now);
  const access = async (millis: number) => {
    let way = '';
    const atOnce = () => {
      way = 'at once';
      now += millis;
    };
    await pace.access(4096, atOnce, async () => {
      way = 'beside';
    });
    return way;
  };
  for (const millis of [0.1, 5, 5, 0.9, 5, 5, 5]) assert.equal(await access(millis), 'at once');
  for (let n = 0; n < 16; n++) assert.equal(await access(5), 'beside');
  assert.deepEqual([await access(0.1), await access(0.1)], ['at once', 'at once']);
});

test('an access that fails is told', async () => {
  const fails = () => {
    throw new Error('EIO');
  };
  await assert.rejects(
    new FilePace().access(1, fails, async () => {}),
    /EIO/,
  );
});
