import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { advance, distance } from './sequence.ts';
import { ACK, counting, FIN, PSH, RST, SYN, TestGuest } from './test-guest.case.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (from: string) => new TextEncoder().encode(from);

describe('opening a connection', () => {
  it('answers SYN when the host has connected, with the options that were offered', () => {
    const guest = new TestGuest();
    guest.say(SYN, '', { mss: 1460, windowShift: 7, sackPermitted: true });
    assert.deepEqual(guest.host.connected, ['127.0.0.1 80']);
    assert.deepEqual(guest.segments(), []);
    guest.host.streams[0].listener.opened();
    const { flags, acknowledgment, mss, windowShift, sackPermitted } = guest.heard();
    assert.deepEqual(
      { flags, acknowledgment, mss, windowShift, sackPermitted },
      {
        flags: SYN | ACK,
        acknowledgment: 1001,
        mss: 1460,
        windowShift: 7,
        sackPermitted: true,
      },
    );
  });

  it('offers nothing to a guest that knows no options', () => {
    const guest = new TestGuest();
    guest.say(SYN);
    guest.host.streams[0].listener.opened();
    const { windowShift, sackPermitted } = guest.heard();
    assert.deepEqual([windowShift, sackPermitted], [undefined, undefined]);
  });

  it('connects once for a SYN that is sent again, and repeats a lost answer', () => {
    const guest = new TestGuest();
    guest.say(SYN);
    guest.say(SYN, '', { sequence: 1000 });
    assert.equal(guest.host.streams.length, 1);
    guest.host.streams[0].listener.opened();
    assert.equal(guest.heard().flags, SYN | ACK);
    guest.say(SYN, '', { sequence: 1000 });
    assert.equal(guest.heard().flags, SYN | ACK);
    guest.wait(1001);
    assert.equal(guest.heard().flags, SYN | ACK);
  });

  it('resets where the host refuses', () => {
    const guest = new TestGuest();
    guest.say(SYN);
    guest.host.streams[0].listener.failed('refused');
    const { flags, acknowledgment } = guest.heard();
    assert.deepEqual([flags, acknowledgment], [RST | ACK, 1001]);
  });

  it('tells by ICMP where there is no way', () => {
    const guest = new TestGuest();
    guest.say(SYN);
    guest.host.streams[0].listener.failed('unreachable');
    assert.deepEqual(
      guest.packets().map(({ protocol, payload }) => [protocol, payload[0]]),
      [[1, 3]],
    );
  });

  it('does not let data be lost that the host sends before the guest is ready', () => {
    const guest = new TestGuest();
    guest.say(SYN, '', { mss: 1460 });
    const [stream] = guest.host.streams;
    assert.equal(stream.flows, false);
    stream.listener.opened();
    guest.expected = advance(guest.heard().sequence, 1);
    stream.listener.data(bytes('early'));
    stream.listener.ended();
    guest.say(ACK);
    assert.equal(stream.flows, true);
    assert.equal(guest.take(), 'early');
  });

  it('refuses more connections than it keeps', () => {
    const guest = new TestGuest();
    for (let port = 1; port <= 4100; port++) guest.say(SYN, '', { sourcePort: port, sequence: 0 });
    assert.equal(guest.host.streams.length, 4096);
    const resets = guest.segments().filter(({ flags }) => flags & RST);
    assert.equal(resets.length, 4);
  });

  it('opens one to the guest for a stream from outside', () => {
    const guest = new TestGuest();
    guest.sendUdp(guest.path, 1, 9, 'here I am');
    const stream = guest.forward(22);
    const { flags, sequence, sourcePort, targetPort } = guest.heard();
    assert.deepEqual([flags, targetPort, stream.flows], [SYN, 22, false]);
    const ends = { sourcePort: 22, targetPort: sourcePort };
    guest.expected = advance(sequence, 1);
    guest.say(SYN | ACK, '', { ...ends, mss: 1460 });
    guest.sequence = 1001;
    assert.equal(guest.heard().flags, ACK);
    assert.equal(stream.flows, true);
    guest.say(ACK | PSH, 'SSH-2.0', ends);
    assert.equal(stream.text, 'SSH-2.0');
  });

  it('survives that both sides open at once', () => {
    const guest = new TestGuest();
    guest.sendUdp(guest.path, 1, 9, 'here I am');
    const stream = guest.forward(22);
    const { sequence, sourcePort } = guest.heard();
    const ends = { sourcePort: 22, targetPort: sourcePort };
    guest.say(SYN, '', ends);
    assert.equal(guest.heard().flags, SYN | ACK);
    guest.expected = advance(sequence, 1);
    guest.say(SYN | ACK, '', { ...ends, sequence: 1000 });
    guest.say(ACK, 'hello', ends);
    assert.equal(stream.text, 'hello');
  });

  it('gives up on a guest that does not answer for 127 s, and resets the stream', () => {
    const guest = new TestGuest();
    guest.sendUdp(guest.path, 1, 9, 'here I am');
    const stream = guest.forward(22);
    for (let second = 0; second < 126; second++) guest.wait(1000);
    assert.equal(stream.wasReset, false);
    guest.wait(2000);
    assert.equal(stream.wasReset, true);
  });
});

describe('data from the guest', () => {
  it('reaches the host in order, and is acknowledged once for many segments', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    guest.say(ACK, 'one');
    assert.equal(guest.heard().acknowledgment, 1004);
    assert.equal(stream.text, 'one');
  });

  it('is put in order, with what is there reported', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    guest.say(ACK, 'cc', { sequence: 1005 });
    const { acknowledgment, sacks } = guest.heard();
    assert.deepEqual([acknowledgment, sacks], [1001, [{ start: 1005, end: 1007 }]]);
    guest.say(ACK, 'bb', { sequence: 1003 });
    assert.deepEqual(guest.heard().sacks, [{ start: 1003, end: 1007 }]);
    guest.say(ACK, 'aabb', { sequence: 1001 });
    assert.equal(guest.heard().acknowledgment, 1007);
    assert.equal(stream.text, 'aabbcc');
  });

  it('is taken once when it is sent twice, in other pieces', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    guest.say(ACK, 'abcdef');
    guest.say(ACK, 'abcd', { sequence: 1001 });
    guest.say(ACK, 'efgh', { sequence: 1005 });
    assert.equal(stream.text, 'abcdefgh');
  });

  it('is held back by a closed window while the host takes nothing', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.queuedBytes = 64 << 20;
    let acknowledged = guest.sequence;
    for (let turn = 0; turn < 10_000; turn++) {
      const before = guest.sequence;
      guest.say(ACK, 'x'.repeat(1460));
      const { acknowledgment, window } = guest.heard();
      acknowledged = acknowledgment;
      if (window < 1460) break;
      assert.ok(distance(acknowledgment, before) > 0);
    }
    guest.sequence = acknowledged;
    guest.say(ACK, 'x'.repeat(1460));
    const { window } = guest.segments().at(-1) ?? assert.fail();
    assert.ok(window < 1460);
    stream.queuedBytes = 0;
    stream.listener.drained();
    assert.ok(guest.heard().window > 1460);
  });
});

describe('data for the guest', () => {
  it('is cut into segments of the size the guest wants', () => {
    const guest = new TestGuest();
    const stream = guest.open({ mss: 1000 });
    stream.listener.data(counting(2500));
    assert.equal(guest.take(), text(counting(2500)));
    stream.listener.data(counting(1000));
    assert.equal(guest.heard().data.length, 1000);
  });

  it('fills the window and no more, and has the stream wait', () => {
    const guest = new TestGuest();
    guest.window = 3000;
    const stream = guest.open();
    for (let chunk = 0; chunk < 40; chunk++) stream.listener.data(counting(64 << 10));
    assert.equal(stream.flows, false);
    const sent = guest.segments().reduce((sum, { data }) => sum + data.length, 0);
    assert.ok(sent <= 3000 && sent >= 2920, `${sent}`);
  });

  it('is sent again after three duplicate acknowledgments, and the rest of the gap with it', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.listener.data(counting(14600));
    const sent = guest.segments();
    assert.equal(sent.length, 10);
    const arrived = [1, 2, 4, 5, 6, 7].map((index) => ({
      start: sent[index].sequence,
      end: advance(sent[index].sequence, 1460),
    }));
    for (const range of arrived) guest.say(ACK, '', { sacks: [range] });
    const again = guest.segments().map(({ sequence }) => distance(sequence, sent[0].sequence) / 1460);
    assert.deepEqual(again.slice(0, 2), [0, 3]);
  });

  it('is sent again by guests without selective acknowledgments, too', () => {
    const guest = new TestGuest();
    const stream = guest.open({ mss: 1460 });
    stream.listener.data(counting(14600));
    const [first] = guest.segments();
    for (let duplicate = 0; duplicate < 3; duplicate++) guest.say(ACK);
    assert.equal(guest.segments()[0].sequence, first.sequence);
    guest.expected = advance(first.sequence, 1460); // and the next is lost too
    guest.say(ACK);
    assert.equal(guest.segments()[0].sequence, guest.expected);
  });

  it('is sent again when time has passed, ever more slowly', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.listener.data(bytes('lost'));
    guest.segments();
    const times: number[] = [];
    for (let tenth = 0; tenth < 75; tenth++) {
      guest.wait(100);
      if (guest.segments().length > 0) times.push(tenth);
    }
    assert.equal(times.length, 3);
    assert.ok(times[2] - times[1] > times[1] - times[0], `${times}`);
  });

  it('probes a closed window and goes on when it opens', () => {
    const guest = new TestGuest();
    guest.window = 0;
    const stream = guest.open();
    stream.listener.data(bytes('waiting'));
    assert.deepEqual(guest.segments(), []);
    for (let probes = 0; probes < 20; probes++) {
      guest.wait(60_000);
      assert.equal(guest.segments().at(-1)?.data.length, 1);
      guest.say(ACK);
    }
    guest.window = 100;
    guest.say(ACK);
    assert.equal(guest.take(), 'waiting');
  });

  it('ends with a reset when the guest is silent for too long', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.listener.data(bytes('anyone?'));
    for (let minute = 0; minute < 20; minute++) guest.wait(60_000);
    assert.equal(stream.wasReset, true);
    assert.ok((guest.segments().at(-1)?.flags ?? 0) & RST);
  });

  it('waits for room in the guest’s card', () => {
    const guest = new TestGuest();
    guest.window = 0xffff;
    const stream = guest.open();
    guest.hasRoom = false;
    stream.listener.data(counting(10_000));
    guest.wait(5);
    assert.deepEqual(guest.segments(), []);
    guest.hasRoom = true;
    guest.wait(5);
    assert.equal(guest.take(), text(counting(10_000)));
  });
});

describe('ending a connection', () => {
  it('lets the host go on after the guest has said all', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    guest.say(ACK | FIN, 'bye');
    assert.deepEqual([stream.text, stream.ended], ['bye', true]);
    assert.equal(guest.heard().acknowledgment, 1005);
    stream.listener.data(bytes('more'));
    assert.equal(guest.take(), 'more');
    stream.listener.ended();
    assert.equal(guest.heard().flags & FIN, FIN);
  });

  it('lets the guest go on after the host has said all', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.listener.data(bytes('all'));
    stream.listener.ended();
    assert.equal(guest.take(), 'all');
    guest.say(ACK, 'more');
    assert.equal(stream.text, 'more');
    guest.say(ACK | FIN);
    assert.equal(stream.ended, true);
    guest.wait(3000);
    assert.equal(stream.wasReset, false);
  });

  it('survives that both end at once', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.listener.ended();
    const fin = guest.heard();
    guest.say(ACK | FIN); // has not seen it
    assert.equal(guest.heard().acknowledgment, guest.sequence);
    guest.expected = advance(fin.sequence, 1);
    guest.say(ACK);
    assert.deepEqual([stream.ended, stream.wasReset], [true, false]);
    guest.say(ACK | FIN, '', { sequence: guest.sequence - 1 }); // our answer was lost
    assert.equal(guest.heard().flags, ACK);
  });

  it('sends FIN again when it is lost', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.listener.ended();
    assert.equal(guest.heard().flags & FIN, FIN);
    guest.wait(1500);
    assert.equal(guest.heard().flags & FIN, FIN);
  });

  it('resets the stream when the guest resets', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    guest.say(RST);
    assert.equal(stream.wasReset, true);
    guest.say(ACK, 'x');
    assert.equal(guest.heard().flags & RST, RST);
  });

  it('does not believe a reset that only might be the guest’s', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    guest.say(RST, '', { sequence: 1010 });
    assert.equal(guest.heard().flags, ACK);
    assert.equal(stream.wasReset, false);
  });

  it('resets the guest when the stream fails', () => {
    const guest = new TestGuest();
    guest.open().listener.failed('reset');
    assert.equal(guest.heard().flags & RST, RST);
  });

  it('takes a new connection of the same ports right after the old one', () => {
    const guest = new TestGuest();
    const stream = guest.open();
    stream.listener.ended();
    guest.take();
    guest.say(ACK | FIN);
    guest.segments();
    guest.sequence += 1000;
    guest.say(SYN);
    assert.equal(guest.host.streams.length, 2);
  });
});

describe('a machine that goes on from where it was saved', () => {
  /** The guest after that; it has said where it is, so that nobody need ask for its station. */
  const restored = (saved: TestGuest) => {
    const guest = new TestGuest();
    guest.sendUdp(guest.path, 5000, 9, '');
    guest.network.restore(saved.network.save());
    guest.wait();
    return guest;
  };

  it('has its connections reset, though the guest only waits for data', () => {
    const before = new TestGuest();
    before.open().listener.data(bytes('the beginning'));
    before.take();
    const after = restored(before);
    const probe = after.heard();
    assert.deepEqual([probe.flags, probe.sequence], [ACK, before.expected - 1]);
    after.say(ACK, '', { sequence: before.sequence, acknowledgment: before.expected });
    const reset = after.heard();
    assert.deepEqual([reset.flags, reset.sequence], [RST, before.expected]);
  });

  it('is asked again until it knows nothing of the connection', () => {
    const before = new TestGuest();
    before.open();
    const after = restored(before);
    after.heard();
    after.wait(500);
    after.heard();
    after.say(RST, '', { sequence: before.sequence });
    after.wait(10_000);
    assert.deepEqual(after.segments(), []);
    const silent = restored(before);
    silent.wait(1_000_000);
    assert.equal(silent.segments().length, 8);
  });

  it('hears nothing of connections that are over, or that it is still to open', () => {
    const before = new TestGuest();
    before.open().listener.ended();
    before.take();
    before.say(FIN | ACK);
    before.port++;
    before.say(SYN);
    assert.deepEqual(restored(before).segments(), []);
  });

  it('has all of very many reset', () => {
    const before = new TestGuest();
    for (let count = 0; count < 1000; count++) {
      before.port++;
      before.open();
    }
    const after = restored(before);
    for (let times = 0; times < 2; times++) {
      for (const { targetPort } of after.segments()) {
        after.port = targetPort;
        after.say(RST, '', { sequence: before.sequence });
      }
      after.wait(1000);
    }
    assert.deepEqual(after.segments(), []);
  });
});
