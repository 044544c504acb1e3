import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ManualClock } from '../machine/manual-clock.ts';
import { DEFAULT_NET, parseNet } from './net-options.ts';
import { openNetworks } from './networks.ts';

it('a card on the user-mode network has the connections at its far end saved, over a bad cable, too', async () => {
  const { cards, close } = await openNetworks([DEFAULT_NET, parseNet('user,loss=1%')], 1n);
  for (const { port, far } of cards) {
    port(new ManualClock());
    assert.deepEqual(far?.()?.save(), { version: 1, connections: [] });
  }
  close();
});
