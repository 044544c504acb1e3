import type { AudioSink } from '../../machine/interfaces.ts';

const RATE_HZ = 48_000;
const FRAME_BYTES = 4;
/** What may wait for a listener's connection, in seconds of sound: what comes later is dropped, so as not to be heard late. */
const MOST_WAITING_SECONDS = 0.1;
const MOST_WAITING_BYTES = RATE_HZ * FRAME_BYTES * MOST_WAITING_SECONDS;

/** A page that plays the guest's sound. */
export interface WebListener {
  /** Takes interleaved stereo, 16 bits a sample, in the host's order of bytes. */
  send(bytes: Uint8Array): void;
  /** Bytes that were sent and have not left this host yet. */
  readonly waitingBytes: number;
}

/** Sound that goes to web pages: 48 kHz, stereo, 16 bits. Where nobody listens it is lost. */
export class WebAudio implements AudioSink {
  readonly rateHz = RATE_HZ;
  readonly #listeners = new Set<WebListener>();

  play(samples: Int16Array): void {
    if (this.#listeners.size === 0) return;
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength).slice();
    for (const listener of this.#listeners) if (listener.waitingBytes < MOST_WAITING_BYTES) listener.send(bytes);
  }

  /** Adds a listener, until the returned function is called. */
  attach(listener: WebListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
  }
}
