import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { InputQueue } from './input-queue.ts';

function makeSource() {
  const told: string[] = [];
  return { told, pause: () => void told.push('pause'), resume: () => void told.push('resume') };
}

const bytes = (count: number) => Uint8Array.from({ length: count }, (_, index) => index & 0xff);

describe('InputQueue', () => {
  it('delivers at once what the receiver takes', () => {
    const queue = new InputQueue(makeSource());
    const received: number[] = [];
    queue.onByte((byte) => received.push(byte));
    queue.push(bytes(3));
    assert.deepEqual(received, [0, 1, 2]);
  });

  it('keeps what comes before there is a receiver', () => {
    const queue = new InputQueue(makeSource());
    queue.push(bytes(2));
    const received: number[] = [];
    queue.onByte((byte) => received.push(byte));
    assert.deepEqual(received, [0, 1]);
  });

  it('offers a refused byte again later, and keeps the order', () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const queue = new InputQueue(makeSource());
      const received: number[] = [];
      let room = 2;
      queue.onByte((byte) => room-- > 0 && received.push(byte) > 0);
      queue.push(bytes(3));
      queue.push(Uint8Array.of(9));
      assert.deepEqual(received, [0, 1]);
      room = 10;
      mock.timers.tick(1);
      assert.deepEqual(received, [0, 1, 2, 9]);
    } finally {
      mock.timers.reset();
    }
  });

  it('halts its source while much waits, and resumes it when all is taken', () => {
    const source = makeSource();
    const queue = new InputQueue(source);
    queue.push(bytes(64 * 1024));
    assert.deepEqual(source.told, []);
    queue.push(bytes(1));
    assert.deepEqual(source.told, ['pause']);
    queue.onByte(() => true);
    assert.deepEqual(source.told, ['pause', 'resume']);
  });

  it('delivers nothing once closed', () => {
    const queue = new InputQueue(makeSource());
    queue.onByte(() => assert.fail());
    queue.close();
    queue.push(bytes(1));
  });
});
