import { Writable } from 'node:stream';

/** A stream that keeps what is written to it, as text. */
export class CollectedText extends Writable {
  text = '';

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk;
    done();
  }
}
