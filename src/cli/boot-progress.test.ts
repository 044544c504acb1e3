import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BootProgress } from './boot-progress.ts';

/** A console whose guest prints; the clock stands at 1.5 s. `shown` is what appears, in order. */
function boot() {
  const told: string[] = [];
  const shown: string[] = [];
  let waiting = '';
  const progress = new BootProgress(
    (line) => {
      told.push(line.trim());
      shown.push(`<${line.trim()}>`);
    },
    () => 1500,
  );
  const flush = () => {
    shown.push(waiting);
    waiting = '';
  };
  const send = (byte: number) => {
    waiting += String.fromCharCode(byte);
  };
  const console = progress.watch({ send, flush, onByte: () => {}, close: () => {} });
  const print = (text: string) => {
    for (const byte of Buffer.from(text)) console.send(byte);
  };
  return { told, progress, print, shown: () => `${shown.join('')}${waiting}` };
}

describe('BootProgress', () => {
  it('tells each phase once, in order, with its time', () => {
    const { told, progress, print } = boot();
    progress.reached('machine ready');
    print('SeaGull\r\n\r\n[    0.000000] Linux version 6.1.0\r\n');
    print('[    1.0] Run /init as init process\r\nLinux version 6.1.0\r\n');
    assert.deepEqual(told, [
      '1.50 s  machine ready',
      '1.50 s  first line from the guest',
      '1.50 s  Linux starts',
      '1.50 s  init starts',
    ]);
  });

  it('passes every byte on, and tells phases between lines', () => {
    const { shown, print } = boot();
    print('a\r\nb');
    assert.equal(shown(), 'a\r\n<1.50 s  first line from the guest>b');
  });

  it('says nothing in the middle of a line', () => {
    const { told, print } = boot();
    print('Linux version 6');
    assert.deepEqual(told, []);
  });
});
