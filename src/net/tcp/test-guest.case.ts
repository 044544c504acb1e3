import assert from 'node:assert/strict';
import { ip, TestNetwork, type TestStream } from '../test-network.case.ts';
import { FLAG, type TcpHeader, type TcpSegment } from './segment.ts';
import { advance } from './sequence.ts';

export const { syn: SYN, ack: ACK, fin: FIN, rst: RST, psh: PSH } = FLAG;

/** A guest's side of one connection to 10.0.2.2 port 80, every segment of it said by the test. */
export class TestGuest extends TestNetwork {
  readonly path = { source: ip('10.0.2.15'), target: ip('10.0.2.2') };
  port = 4000;
  peerPort = 80;
  /** What the guest sends next, and what it expects. */
  sequence = 1000;
  expected = 0;
  window = 0xffff;

  /** Sends a segment; its text and SYN or FIN move the sequence on. */
  say(flags: number, text = '', extra: Partial<TcpHeader> = {}): void {
    this.sendTcp(this.path, this.#header(flags, extra), text);
    if (extra.sequence !== undefined) return;
    this.sequence = advance(this.sequence, text.length + (flags & (SYN | FIN) ? 1 : 0));
  }

  /** Takes the one segment that came. */
  heard(): TcpSegment {
    const segments = this.segments();
    assert.equal(segments.length, 1, `segments: ${segments.map(({ flags }) => flags)}`);
    return segments[0];
  }

  /** Opens the connection. @returns the host's stream */
  open(options: Partial<TcpHeader> = { mss: 1460, windowShift: 0, sackPermitted: true }): TestStream {
    this.say(SYN, '', options);
    const stream = this.host.streams[this.host.streams.length - 1];
    stream.listener.opened();
    this.expected = advance(this.heard().sequence, 1);
    this.say(ACK);
    return stream;
  }

  /** Takes data that came, in order and without gaps, and acknowledges it. @returns its text */
  take(): string {
    let text = '';
    for (const { sequence, data, flags } of this.segments()) {
      assert.equal(sequence, this.expected);
      text += new TextDecoder().decode(data);
      this.expected = advance(this.expected, data.length + (flags & FIN ? 1 : 0));
    }
    this.say(ACK);
    return text;
  }

  #header(flags: number, extra: Partial<TcpHeader>): TcpHeader {
    return {
      sourcePort: this.port,
      targetPort: this.peerPort,
      sequence: this.sequence,
      acknowledgment: flags & ACK ? this.expected : 0,
      flags,
      window: this.window,
      ...extra,
    };
  }
}

/** Bytes that count, to be told apart. */
export function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 97 + (Math.imul(index, 7) % 26));
}
