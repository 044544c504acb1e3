import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { BROADCAST, testFrame } from '../machine/test-net.case.ts';
import { ETHERTYPE, get16 } from '../net/ethernet.ts';
import { openTap, type Tap } from './tap.ts';

const NAME = `vtest${process.pid % 100_000}`;

const readCount = (counter: string) => Number(readFileSync(`/sys/class/net/${NAME}/statistics/${counter}`, 'latin1'));

/** Opens the interface and brings it up. @returns undefined where this user may not */
async function openOrSkip(skip: (reason: string) => void): Promise<Tap | undefined> {
  let tap: Tap;
  try {
    tap = await openTap(NAME);
  } catch (error) {
    skip((error as Error).message);
    return undefined;
  }
  const { status } = spawnSync('ip', ['link', 'set', NAME, 'up']);
  if (status === 0) return tap;
  tap.close();
  skip('no interface can be brought up here');
  return undefined;
}

describe('a TAP interface', { timeout: 60_000 }, () => {
  it('takes frames from the host and gives it some', async (t) => {
    if (!existsSync('/proc/net/if_inet6')) return t.skip('the host sends nothing of its own without IPv6');
    const tap = await openOrSkip((reason) => t.skip(reason));
    if (!tap) return;
    t.after(() => tap.close());
    for (let frame = 0; frame < 100; frame++) tap.port.send(testFrame(BROADCAST, 60 + frame));
    const { promise, resolve } = Promise.withResolvers<number>();
    tap.port.onFrame((frame) => get16(frame, 12) === ETHERTYPE.ipv6 && resolve(frame.length));
    assert.ok((await promise) >= 14 + 40);
    while (readCount('rx_packets') < 100) await setTimeout(5);
    assert.equal(readCount('rx_packets'), 100);
  });

  it('that may not be used is refused in words', async () => {
    await assert.rejects(openTap('lo'), (error: Error) => !error.message.includes('\n') && error.message.length > 5);
  });
});
