import { closeSync, openSync, writeSync } from 'node:fs';
import { ByteWriter } from '../../base/bytes.ts';
import type { AudioSink } from '../../machine/interfaces.ts';

const RATE_HZ = 48_000;
const CHANNELS = 2;
const FRAME_BYTES = CHANNELS * 2;
const FORMAT_PCM = 1;
const HEADER_BYTES = 44;
const BUFFER_BYTES = 64 * 1024;
/** The sizes in the header have 32 bits. What is more than fits is left out. */
const MOST_BYTES = Math.floor((0xffffffff - HEADER_BYTES) / FRAME_BYTES) * FRAME_BYTES;

/** Sound that goes to a RIFF WAVE file, made anew: 48 kHz, stereo, 16 bits. The sizes in its header are right once it is closed. */
export class WavFile implements AudioSink {
  readonly rateHz = RATE_HZ;
  readonly #file: number;
  readonly #failed: (error: Error) => void;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  #written = 0;
  #broken = false;

  /** @param failed told once when nothing more can be written  @throws {Error} the file cannot be made */
  constructor(path: string, failed: (error: Error) => void) {
    this.#failed = failed;
    this.#file = openSync(path, 'w');
    this.#try(() => writeSync(this.#file, header(0)));
  }

  play(samples: Int16Array): void {
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    for (let done = 0; done < bytes.length; ) {
      const piece = bytes.subarray(done, done + BUFFER_BYTES - this.#buffered);
      this.#buffer.set(piece, this.#buffered);
      this.#buffered += piece.length;
      done += piece.length;
      if (this.#buffered === BUFFER_BYTES) this.#flush();
    }
  }

  /** Writes what waits, and the header's sizes. */
  close(): void {
    this.#flush();
    this.#try(() => writeSync(this.#file, header(this.#written), 0, HEADER_BYTES, 0));
    closeSync(this.#file);
  }

  #flush(): void {
    const length = Math.min(this.#buffered, MOST_BYTES - this.#written);
    this.#buffered = 0;
    if (length === 0) return;
    this.#try(() => {
      for (let done = 0; done < length; ) {
        const count = writeSync(this.#file, this.#buffer, done, length - done, HEADER_BYTES + this.#written);
        done += count;
        this.#written += count;
      }
    });
  }

  #try(write: () => void): void {
    if (this.#broken) return;
    try {
      write();
    } catch (error) {
      this.#broken = true;
      this.#failed(error as Error);
    }
  }
}

/** The header of a file with so many bytes of samples ("Multimedia Programming Interface and Data Specifications 1.0", WAVE). */
function header(dataBytes: number): Uint8Array {
  return new ByteWriter()
    .text('RIFF')
    .u32(HEADER_BYTES - 8 + dataBytes)
    .text('WAVEfmt ')
    .u32(16)
    .u16(FORMAT_PCM)
    .u16(CHANNELS)
    .u32(RATE_HZ)
    .u32(RATE_HZ * FRAME_BYTES)
    .u16(FRAME_BYTES)
    .u16(16)
    .text('data')
    .u32(dataBytes)
    .finish();
}
