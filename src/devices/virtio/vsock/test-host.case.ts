import type { HostStream, IncomingStream, StreamListener, VsockHost } from '../../../net/interfaces.ts';

/** A stream of the host that a test plays. It takes what is written at once, unless it holds. */
export class TestVsockStream implements HostStream {
  readonly listener: StreamListener;
  bytes = new Uint8Array(0);
  queuedBytes = 0;
  /** Whether what is written waits for {@link takeQueued}. */
  holds = false;
  ended = false;
  wasReset = false;
  flows = true;
  /** Whether the test has had it fail. */
  hasFailed = false;

  constructor(listener: StreamListener) {
    this.listener = listener;
  }

  write(bytes: Uint8Array): void {
    if (this.holds) this.queuedBytes += bytes.length;
    else this.bytes = Uint8Array.from([...this.bytes, ...bytes]);
  }

  end(): void {
    this.ended = true;
  }

  reset(): void {
    this.wasReset = true;
  }

  setFlowing(flows: boolean): void {
    this.flows = flows;
  }

  /** The host takes some of what waits. */
  takeQueued(bytes: number): void {
    this.queuedBytes -= Math.min(bytes, this.queuedBytes);
    this.listener.drained();
  }

  /** Something happens to it, as it may to a socket. @param below random numbers */
  happen(below: (limit: number) => number): void {
    if (this.wasReset || this.hasFailed) return;
    this.holds = true;
    const what = below(12);
    if (what < 3) this.listener.opened();
    else if (what < 6 && this.flows) this.listener.data(new Uint8Array(below(70_000)));
    else if (what < 10) this.takeQueued(below(200_000));
    else if (what === 10) this.listener.ended();
    else if (below(4) === 0) {
      this.hasFailed = true;
      this.listener.failed('reset');
    }
  }
}

/** A connection from the host, as a test sees it. */
export interface TestCall {
  /** Whether the device has taken it. */
  taken: boolean;
  /** The port that it has on the host, once the guest has accepted. */
  port?: number;
}

/** A host that a test plays. */
export class TestVsockHost implements VsockHost {
  readonly streams: TestVsockStream[] = [];
  /** Ports that the guest has asked for. */
  readonly ports: number[] = [];
  /** The port of the last connection from the host that was accepted. */
  lastPort = 0;
  #accept: Parameters<VsockHost['onConnection']>[0] = () => false;

  connect(port: number, listener: StreamListener): HostStream {
    this.ports.push(port);
    return this.#add(listener);
  }

  onConnection(accept: Parameters<VsockHost['onConnection']>[0]): void {
    this.#accept = accept;
  }

  /** A program of the host connects to a port of the guest. */
  call(port: number): TestCall {
    const open: IncomingStream = (listener) => this.#add(listener);
    const call: TestCall = { taken: false };
    call.taken = this.#accept(port, open, (hostPort) => {
      call.port = hostPort;
      this.lastPort = hostPort;
    });
    return call;
  }

  /** Streams that were not reset. */
  get open(): readonly TestVsockStream[] {
    return this.streams.filter(({ wasReset, hasFailed }) => !wasReset && !hasFailed);
  }

  #add(listener: StreamListener): TestVsockStream {
    const stream = new TestVsockStream(listener);
    this.streams.push(stream);
    return stream;
  }
}
