import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BROADCAST, testFrame } from '../machine/test-net.case.ts';
import type { NetPort } from '../vm/index.ts';
import { joinSwitch } from './switch-member.ts';

/** Sends until the frame arrives: who joins and who leaves is seen when the host's events say so. */
async function reaches(from: NetPort, to: NetPort): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  to.onFrame((frame) => frame[12] === 0x88 && resolve(frame.length));
  const timer = setInterval(() => from.send(testFrame(BROADCAST, 80)), 5);
  return promise.finally(() => clearInterval(timer));
}

test('members of a switch hear each other, also after the one that had the switch is gone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-switch-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'switch');
  const [first, second, third] = [await joinSwitch(path), await joinSwitch(path), await joinSwitch(path)];
  assert.equal(await reaches(first, second), 80);
  assert.equal(await reaches(second, third), 80);
  first.close();
  assert.equal(await reaches(third, second), 80);
  second.close();
  third.close();
});
