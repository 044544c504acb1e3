import { ByteWriter } from '../base/bytes.ts';
import { get16, sameBytes } from './ethernet.ts';
import { type OpenServedFile, readServedFile } from './served-files.ts';
import type { Timer, Timers } from './timers.ts';

export const TFTP_PORT = 69;
/** Operations and errors (RFC 1350 section 5). */
const OPERATION = { read: 1, data: 3, acknowledgment: 4, error: 5, options: 6 } as const;
const ERROR = { notFound: 1, access: 2, illegal: 4 } as const;
const BLOCK_BYTES = 512;
/** The most that a block may have, so that it is a single frame (RFC 2348). */
const MOST_BLOCK_BYTES = 1428;
const LEAST_BLOCK_BYTES = 8;
const MOST_TRANSFERS = 32;
const RETRY_MILLIS = 1000;
const MOST_RETRIES = 5;
const MOST_NAME_BYTES = 512;
/** The largest file: it is in memory while it is sent. */
const MOST_FILE_BYTES = 512 << 20;

interface Transfer {
  /** What asked for it, and whether any answer was acknowledged. */
  readonly request: Uint8Array;
  isAcknowledged: boolean;
  readonly file: Uint8Array;
  readonly blockBytes: number;
  readonly send: (message: Uint8Array) => void;
  readonly timer: Timer;
  /** The block that waits for its acknowledgment; 0 where the options do. */
  block: number;
  retries: number;
  last: Uint8Array;
}

/** A TFTP server that hands out files (RFC 1350), with the options that boot programs want (RFC 2347 to 2349). */
export class TftpServer {
  readonly #timers: Timers;
  readonly #openFile: OpenServedFile;
  readonly #transfers = new Map<string, Transfer>();
  /** Clients whose file is being read. */
  readonly #reading = new Set<string>();

  constructor(timers: Timers, openFile: OpenServedFile) {
    this.#timers = timers;
    this.#openFile = openFile;
  }

  /** Takes a message. @param client names the sender  @param send sends one back */
  receive(client: string, message: Uint8Array, send: (message: Uint8Array) => void): void {
    const operation = get16(message, 0);
    if (operation === OPERATION.read) this.#requested(client, message, send);
    else if (operation === OPERATION.acknowledgment && message.length >= 4)
      this.#acknowledged(client, get16(message, 2));
    else if (operation === OPERATION.error) this.#end(client);
    else send(errorMessage(ERROR.illegal, 'only reading is possible'));
  }

  /** A client that gets no answer soon asks again, from the same port: that must not begin its transfer anew. */
  #requested(client: string, message: Uint8Array, send: Transfer['send']): void {
    if (this.#reading.has(client) || this.#reading.size >= MOST_TRANSFERS) return;
    const transfer = this.#transfers.get(client);
    if (transfer && !transfer.isAcknowledged && sameBytes(transfer.request, message)) {
      this.#send(transfer, transfer.last);
      return;
    }
    this.#reading.add(client);
    void this.#begin(client, message.slice(), send).finally(() => this.#reading.delete(client));
  }

  async #begin(client: string, message: Uint8Array, send: Transfer['send']): Promise<void> {
    if (message.length > MOST_NAME_BYTES) return;
    const [name = '', , ...words] = new TextDecoder().decode(message.subarray(2)).split('\0');
    const file = await readServedFile(this.#openFile, name, MOST_FILE_BYTES);
    if (!file) {
      send(errorMessage(ERROR.notFound, `there is no ${name}`));
      return;
    }
    this.#end(client);
    const [oldest] = this.#transfers.keys();
    if (this.#transfers.size >= MOST_TRANSFERS) this.#end(oldest);
    const { answers, blockBytes } = agree(words, file.length);
    const timer = this.#timers.create(() => this.#again(client));
    const start = { block: 0, retries: 0, last: new Uint8Array(0), isAcknowledged: false };
    const transfer: Transfer = { request: message, file, blockBytes, send, timer, ...start };
    this.#transfers.set(client, transfer);
    if (answers.length === 0) this.#sendBlock(transfer, 1);
    else this.#send(transfer, optionsMessage(answers));
  }

  /** Block numbers wrap in large files. */
  #acknowledged(client: string, block: number): void {
    const transfer = this.#transfers.get(client);
    if (!transfer || block !== (transfer.block & 0xffff)) return;
    transfer.retries = 0;
    transfer.isAcknowledged = true;
    const isLast = transfer.block > 0 && transfer.block * transfer.blockBytes > transfer.file.length;
    if (isLast) this.#end(client);
    else this.#sendBlock(transfer, transfer.block + 1);
  }

  #sendBlock(transfer: Transfer, block: number): void {
    transfer.block = block;
    const from = (block - 1) * transfer.blockBytes;
    const data = transfer.file.subarray(from, from + transfer.blockBytes);
    const writer = new ByteWriter().append([0, OPERATION.data, (block >> 8) & 0xff, block & 0xff]).append(data);
    this.#send(transfer, writer.finish());
  }

  #send(transfer: Transfer, message: Uint8Array): void {
    transfer.last = message;
    transfer.send(message);
    transfer.timer.arm(RETRY_MILLIS);
  }

  #again(client: string): void {
    const transfer = this.#transfers.get(client);
    if (!transfer) return;
    transfer.retries++;
    if (transfer.retries > MOST_RETRIES) this.#end(client);
    else this.#send(transfer, transfer.last);
  }

  #end(client: string): void {
    this.#transfers.get(client)?.timer.cancel();
    this.#transfers.delete(client);
  }
}

/** What becomes of the options that a client asks for. */
function agree(words: readonly string[], fileBytes: number) {
  const answers: string[] = [];
  let blockBytes = BLOCK_BYTES;
  for (let at = 0; at + 1 < words.length; at += 2) {
    const name = words[at].toLowerCase();
    const value = Number(words[at + 1]);
    if (name === 'blksize' && value >= LEAST_BLOCK_BYTES) {
      blockBytes = Math.min(Math.floor(value), MOST_BLOCK_BYTES);
      answers.push(name, String(blockBytes));
    } else if (name === 'tsize') answers.push(name, String(fileBytes));
  }
  return { answers, blockBytes };
}

function optionsMessage(answers: readonly string[]): Uint8Array {
  const writer = new ByteWriter().append([0, OPERATION.options]);
  for (const text of answers) writer.text(text).u8(0);
  return writer.finish();
}

function errorMessage(code: number, text: string): Uint8Array {
  return new ByteWriter().append([0, OPERATION.error, 0, code]).text(text).u8(0).finish();
}
