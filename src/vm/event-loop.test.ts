import { describe, it } from 'node:test';
import { EventLoop } from './event-loop.ts';

describe('the event loop', () => {
  it('gives each of several that wait their turn', async () => {
    const loop = new EventLoop();
    await Promise.all([loop.turn(), loop.turn(), loop.turn()]);
    await loop.turn();
  });

  it('ends a sleep that is woken', async () => {
    const loop = new EventLoop();
    const sleep = loop.sleep(1e9);
    loop.wake();
    await sleep;
  });
});
