import type { DnsForwarder } from './dns.ts';
import { get16, put16 } from './ethernet.ts';
import type { HostStream, StreamListener } from './interfaces.ts';

const LENGTH_BYTES = 2;
const MOST_WAITING_BYTES = 4 * (0xffff + LENGTH_BYTES);

/** A name server's end of a TCP connection (RFC 7766): messages with their lengths before them. */
export class DnsStream implements HostStream {
  readonly queuedBytes = 0;
  readonly #dns: DnsForwarder;
  #listener: StreamListener | undefined;
  #bytes = new Uint8Array(0);
  /** Questions are answered one after the other. */
  #work: Promise<void>;

  constructor(dns: DnsForwarder, listener: StreamListener) {
    this.#dns = dns;
    this.#listener = listener;
    this.#work = Promise.resolve().then(() => this.#listener?.opened());
  }

  write(bytes: Uint8Array): void {
    if (this.#bytes.length + bytes.length > MOST_WAITING_BYTES) {
      this.#fail();
      return;
    }
    const all = new Uint8Array(this.#bytes.length + bytes.length);
    all.set(this.#bytes);
    all.set(bytes, this.#bytes.length);
    this.#bytes = all;
    this.#work = this.#work.then(() => this.#answerAll());
  }

  end(): void {
    this.#work = this.#work.then(() => this.#listener?.ended());
  }

  reset(): void {
    this.#listener = undefined;
  }

  /** Answers are few and small. */
  setFlowing(): void {}

  async #answerAll(): Promise<void> {
    for (let query = this.#take(); query && this.#listener; query = this.#take()) {
      const answer = await this.#dns.answer(query, false);
      if (answer) this.#send(answer);
    }
  }

  /** Takes a whole message off the bytes that came. */
  #take(): Uint8Array | undefined {
    const end = LENGTH_BYTES + get16(this.#bytes, 0);
    if (this.#bytes.length < LENGTH_BYTES || this.#bytes.length < end) return undefined;
    const message = this.#bytes.slice(LENGTH_BYTES, end);
    this.#bytes = this.#bytes.slice(end);
    return message;
  }

  #send(answer: Uint8Array): void {
    const message = new Uint8Array(LENGTH_BYTES + answer.length);
    put16(message, 0, answer.length);
    message.set(answer, LENGTH_BYTES);
    this.#listener?.data(message);
  }

  #fail(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#work = this.#work.then(() => listener?.failed('reset'));
  }
}
