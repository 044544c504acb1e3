import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import { ManualClock } from '../../machine/manual-clock.ts';
import type { StreamListener } from '../interfaces.ts';
import { IpWriter, parseIpv4 } from '../ip.ts';
import { GuestLink } from '../link.ts';
import { GUEST_MAC, ip, NETWORK_MAC, TestHost, TestStream } from '../test-network.case.ts';
import { Timers } from '../timers.ts';
import { UserNetwork } from '../user-network.ts';
import { TcpTable } from './table.ts';
import { counting } from './test-guest.case.ts';

const DELAY_NANOS = 5_000_000n;
const STEP_NANOS = 1_000_000n;
const LIMIT_NANOS = 600_000_000_000n;

/** A network and a guest that is our own TCP as well, with a bad cable between them. */
class BadCable {
  readonly clock = new ManualClock();
  readonly host = new TestHost();
  readonly network = new UserNetwork({ host: this.host, clock: this.clock, seed: 7n });
  readonly guest: TcpTable;
  readonly #random: SplitMix64;
  readonly #perMille: number;
  #lost = 0;

  /** @param perMille how many of a thousand frames are lost; as many are late, and as many come twice */
  constructor(perMille: number, seed: bigint) {
    this.#perMille = perMille;
    this.#random = new SplitMix64(seed);
    const link = new GuestLink(this.clock, GUEST_MAC, {
      received: (frame) => {
        const packet = parseIpv4(frame.subarray(14));
        if (packet) this.guest.receive(packet, false);
      },
      flushing: () => this.guest.acknowledgeAll(),
      roomAgain: () => this.guest.roomAgain(),
      resolve: () => {},
    });
    for (const last of [2, 3, 80]) link.learn(Uint8Array.of(10, 0, 2, last), NETWORK_MAC);
    this.guest = new TcpTable({
      link,
      writer: new IpWriter(),
      timers: new Timers(this.clock),
      random: () => 5,
      route: () => undefined,
      noWay: () => {},
    });
    const port = this.network.port;
    port.onFrame((frame) => this.#carry(() => link.send(frame)));
    link.onFrame((frame) => this.#carry(() => port.send(frame)));
  }

  get lost(): number {
    return this.#lost;
  }

  /** Lets time pass until something is true. */
  until(done: () => boolean): void {
    while (!done()) {
      assert.ok(this.clock.nowNanos() < LIMIT_NANOS, 'it takes too long');
      this.clock.advanceTo(this.clock.nowNanos() + STEP_NANOS);
    }
  }

  #carry(arrive: () => void): void {
    if (this.#isOne()) {
      this.#lost++;
      return;
    }
    const times = this.#isOne() ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const delay = this.#isOne() ? DELAY_NANOS * 3n : DELAY_NANOS;
      this.clock.createAlarm(arrive).arm(this.clock.nowNanos() + delay);
    }
  }

  #isOne(): boolean {
    return Number(this.#random.next() % 1000n) < this.#perMille;
  }
}

function joined(stream: TestStream): Buffer {
  return Buffer.concat(stream.written);
}

for (const [perMille, bytes] of [
  [0, 400_000],
  [10, 200_000],
  [100, 60_000],
] as const) {
  it(`everything arrives, both ways, where ${perMille / 10} % of the frames are lost, late or doubled`, (t) => {
    const cable = new BadCable(perMille, BigInt(perMille) + 3n);
    const [up, down] = [counting(bytes), counting(bytes + 1)];
    const ends: TestStream[] = [];
    const open = (listener: StreamListener) => {
      ends.push(new TestStream(listener));
      return ends[0];
    };
    cable.guest.connect(ip('10.0.2.15'), ip('10.0.2.2'), 80, open);
    cable.until(() => cable.host.streams.length > 0);
    const [host] = cable.host.streams;
    host.listener.opened();
    cable.until(() => ends[0].flows);
    ends[0].listener.data(up);
    ends[0].listener.ended();
    host.listener.data(down);
    host.listener.ended();
    cable.until(() => ends[0].ended && host.ended);
    assert.deepEqual(joined(host), Buffer.from(up));
    assert.deepEqual(joined(ends[0]), Buffer.from(down));
    assert.deepEqual([host.wasReset, ends[0].wasReset], [false, false]);
    assert.ok(perMille === 0 || cable.lost > 0);
    t.diagnostic(`${cable.lost} frames lost, ${Number(cable.clock.nowNanos()) / 1e9} s`);
  });
}
