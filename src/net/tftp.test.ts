import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../machine/manual-clock.ts';
import { get16 } from './ethernet.ts';
import { counting } from './tcp/test-guest.case.ts';
import { TestBootFolder } from './test-boot-folder.case.ts';
import { TftpServer } from './tftp.ts';
import { Timers } from './timers.ts';

class Client {
  readonly clock = new ManualClock();
  readonly server: TftpServer;
  readonly answers: Uint8Array[] = [];

  constructor(file: Uint8Array) {
    this.server = new TftpServer(new Timers(this.clock), new TestBootFolder({ file }).open);
  }

  async say(...message: number[]): Promise<Uint8Array | undefined> {
    this.server.receive('client', Uint8Array.from(message), (answer) => this.answers.push(answer));
    for (let turns = 0; turns < 5; turns++) await Promise.resolve();
    return this.answers.shift();
  }

  read(...words: string[]): Promise<Uint8Array | undefined> {
    return this.say(0, 1, ...new TextEncoder().encode(words.map((word) => `${word}\0`).join('')));
  }

  /** Acknowledges blocks until the file is over. */
  async rest(first: Uint8Array | undefined, blockBytes: number): Promise<Uint8Array> {
    const parts: number[] = [];
    for (let answer = first; answer; answer = await this.say(0, 4, answer[2], answer[3])) {
      assert.equal(get16(answer, 0), 3);
      parts.push(...answer.subarray(4));
      if (answer.length - 4 < blockBytes) break;
    }
    return Uint8Array.from(parts);
  }
}

describe('TFTP', () => {
  for (const length of [0, 511, 512, 1500]) {
    it(`hands out a file of ${length} bytes in blocks of 512`, async () => {
      const client = new Client(counting(length));
      assert.deepEqual(await client.rest(await client.read('file', 'octet'), 512), counting(length));
    });
  }

  it('agrees on larger blocks, and tells the size', async () => {
    const client = new Client(counting(5000));
    const options = await client.read('file', 'octet', 'tsize', '0', 'BLKSIZE', '9000', 'windowsize', '4');
    assert.equal(new TextDecoder().decode(options), '\0\x06tsize\x005000\0blksize\x001428\0');
    assert.deepEqual(await client.rest(await client.say(0, 4, 0, 0), 1428), counting(5000));
  });

  it('says that there is no such file, and that nothing can be written', async () => {
    const client = new Client(counting(1));
    const [absent, refused] = [await client.read('other', 'octet'), await client.say(0, 2, 65, 0)];
    assert.deepEqual(absent?.subarray(0, 4), Uint8Array.of(0, 5, 0, 1));
    assert.deepEqual(refused?.subarray(0, 4), Uint8Array.of(0, 5, 0, 4));
  });

  it('does not begin anew for a client that asks again because no answer has come', async () => {
    const client = new Client(counting(1500));
    const [first] = await Promise.all([client.read('file', 'octet'), client.read('file', 'octet')]);
    const again = await client.read('file', 'octet');
    assert.deepEqual(again, first);
    const second = await client.say(0, 4, 0, 1);
    assert.equal(second && get16(second, 2), 2);
    const anew = await client.read('file', 'octet');
    assert.deepEqual(anew, first);
  });

  it('sends a block again that is not acknowledged, and gives up in the end', async () => {
    const client = new Client(counting(600));
    const first = await client.read('file', 'octet');
    for (let second = 0; second < 20; second++) client.clock.advanceTo(client.clock.nowNanos() + 1_000_000_000n);
    assert.equal(client.answers.length, 5);
    assert.deepEqual(client.answers[4], first);
  });
});
