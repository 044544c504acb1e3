import type { Socket } from 'node:net';
import type { HostCharPort } from './char-ports.ts';
import { type ByteReceiver, InputQueue } from './input-queue.ts';
import { listen, type SocketAddress } from './listen.ts';
import { OutputBatch } from './output-batch.ts';

/** A serial line on a socket: one peer at a time, and output nobody listens to is dropped. */
export class SocketPort implements HostCharPort {
  readonly #batch: OutputBatch;
  readonly #queue: InputQueue;
  #peer: Socket | undefined;
  #closeListener: () => void = () => {};

  private constructor() {
    this.#batch = new OutputBatch((bytes) => this.#peer?.write(bytes));
    this.#queue = new InputQueue({ pause: () => this.#peer?.pause(), resume: () => this.#peer?.resume() });
  }

  /** @throws {Error} the address cannot be listened on */
  static async listen(address: SocketAddress): Promise<SocketPort> {
    const port = new SocketPort();
    port.#closeListener = await listen(address, (peer) => port.#accept(peer));
    return port;
  }

  send(byte: number): void {
    this.#batch.push(byte);
  }

  onByte(receive: ByteReceiver): void {
    this.#queue.onByte(receive);
  }

  flush(): void {
    this.#batch.flush();
  }

  close(): void {
    this.flush();
    this.#queue.close();
    this.#peer?.destroySoon();
    this.#closeListener();
  }

  #accept(peer: Socket): void {
    if (this.#peer !== undefined) return void peer.destroy();
    this.#peer = peer;
    peer.on('data', (chunk: Uint8Array) => this.#queue.push(chunk));
    peer.on('close', () => {
      this.#peer = undefined;
    });
  }
}
