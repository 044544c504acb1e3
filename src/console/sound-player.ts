// Runs on the browser's audio thread: plays the guest's sound as the page hands it over.

import { SoundQueue } from './sound-queue.ts';

/** What is used of the audio thread's globals (Web Audio API section 1.32). */
declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

class SoundPlayer extends AudioWorkletProcessor {
  readonly #queue = new SoundQueue();

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#queue.push(new Int16Array(data as ArrayBuffer));
  }

  /** @returns whether it may be called again */
  process(_inputs: unknown, [[left, right]]: readonly (readonly Float32Array[])[]): boolean {
    this.#queue.pull(left, right);
    return true;
  }
}

registerProcessor('sound-player', SoundPlayer);
