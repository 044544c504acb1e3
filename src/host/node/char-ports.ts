import { closeSync, openSync, writeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { CharPort } from '../../machine/interfaces.ts';
import { type ByteReceiver, InputQueue } from './input-queue.ts';
import { OutputBatch } from './output-batch.ts';

/** An outside end of a serial line that holds something of the host. */
export interface HostCharPort extends CharPort {
  /** Writes out what waits. */
  flush(): void;
  /** Writes out what waits and lets go of the host's file, socket or stream. */
  close(): void;
}

/** A serial line on two streams, such as standard input and output. The end or failure of the input ends nothing. */
export class StreamPort implements HostCharPort {
  readonly #input: Readable;
  readonly #queue: InputQueue;
  readonly #batch: OutputBatch;

  /** @param watch sees each chunk of input first; what it answers is passed on to the guest */
  constructor(input: Readable, output: Writable, watch: (chunk: Uint8Array) => Uint8Array = (chunk) => chunk) {
    this.#input = input;
    this.#queue = new InputQueue(input);
    this.#batch = new OutputBatch((bytes) => output.write(bytes));
    input.on('data', (chunk: Uint8Array) => this.#queue.push(watch(chunk)));
    input.on('error', () => {});
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
    this.#input.pause();
  }
}

/** A serial line whose output goes to a file, made anew; nothing ever comes in. */
export class FilePort implements HostCharPort {
  readonly #file: number;
  readonly #batch: OutputBatch;

  /** @throws {Error} the file cannot be written */
  constructor(path: string) {
    this.#file = openSync(path, 'w');
    this.#batch = new OutputBatch((bytes) => writeSync(this.#file, bytes));
  }

  send(byte: number): void {
    this.#batch.push(byte);
  }

  onByte(): void {}

  flush(): void {
    this.#batch.flush();
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}
