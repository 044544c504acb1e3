import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PVPANIC_CRASH_LOADED, PVPANIC_PANICKED, Pvpanic } from './pvpanic.ts';

test('a write tells the events that are understood', () => {
  const events: number[] = [];
  const chip = new Pvpanic((happened) => events.push(happened));
  assert.equal(chip.read(), PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
  for (const value of [0, 0xfc, 1, 0xfe]) chip.write(0, 1, value);
  assert.deepEqual(events, [PVPANIC_PANICKED, PVPANIC_CRASH_LOADED]);
  chip.restore(chip.save());
});
