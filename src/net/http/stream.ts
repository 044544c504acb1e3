import type { HostStream, StreamListener } from '../interfaces.ts';
import type { ServedFile } from '../served-files.ts';
import {
  HEAD_END,
  type HttpRefusal,
  type HttpRequest,
  MOST_HEAD_BYTES,
  parseHead,
  type WantedRange,
} from './request.ts';
import type { Opening } from './server.ts';

/** Makes a character of each byte. */
const LATIN1 = new TextDecoder('latin1');
/** What is read of a file at a time. */
const CHUNK_BYTES = 256 << 10;

/** Statuses that are answered, and what they are called (RFC 9110 section 15, RFC 6585). */
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  206: 'Partial Content',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  416: 'Range Not Satisfiable',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

/** What names of files say of their content: the types by which UEFI firmware knows what it can boot (UEFI Specification 2.10,
 * section 24.7.4.3). */
const TYPES: readonly (readonly [ending: string, type: string])[] = [
  ['.efi', 'application/efi'],
  ['.iso', 'application/vnd.efi-iso'],
  ['.img', 'application/vnd.efi-img'],
];

/** The bytes of a file that an answer has. */
interface Part {
  readonly first: number;
  readonly length: number;
}

/** A server's end of one connection. Requests are answered one after the other, and only while the client takes what it is sent. */
export class HttpStream implements HostStream {
  readonly #open: (path: string) => Promise<Opening>;
  #listener: StreamListener | undefined;
  /** What came and was not looked at yet, a character a byte. */
  #received = '';
  /** Whether the client will send no more, and whether the server will. */
  #isOver = false;
  #isClosing = false;
  #isWorking = true;
  #flows = true;
  /** Goes on with an answer that waits until the client takes more. */
  #goOn: (() => void) | undefined;

  constructor(open: (path: string) => Promise<Opening>, listener: StreamListener) {
    this.#open = open;
    this.#listener = listener;
    void Promise.resolve().then(() => {
      this.#listener?.opened();
      return this.#work();
    });
  }

  get queuedBytes(): number {
    return this.#received.length;
  }

  write(bytes: Uint8Array): void {
    if (this.#isClosing) return;
    this.#received += LATIN1.decode(bytes);
    this.#workSoon();
  }

  end(): void {
    this.#isOver = true;
    this.#workSoon();
  }

  reset(): void {
    this.#listener = undefined;
    this.#goOn?.();
  }

  setFlowing(flows: boolean): void {
    this.#flows = flows;
    if (flows) this.#goOn?.();
  }

  #workSoon(): void {
    if (this.#isWorking) return;
    this.#isWorking = true;
    void Promise.resolve().then(() => this.#work());
  }

  /** Answers what came, as far as it is whole. */
  async #work(): Promise<void> {
    for (let request = this.#take(); request && this.#listener; request = this.#take()) await this.#answer(request);
    this.#isWorking = false;
    if (this.#isOver) this.#close();
  }

  #take(): HttpRequest | HttpRefusal | undefined {
    if (this.#isClosing) return undefined;
    this.#drop(/^(?:\r\n)*/.exec(this.#received)?.[0].length ?? 0); // RFC 9112 section 2.2
    const start = this.#received.slice(0, MOST_HEAD_BYTES);
    const end = start.indexOf(HEAD_END);
    if (end < 0)
      return start.length < MOST_HEAD_BYTES ? undefined : { status: 431, isHead: false, isPersistent: false };
    this.#drop(end + HEAD_END.length);
    return parseHead(start.slice(0, end));
  }

  #drop(length: number): void {
    if (length === 0) return;
    this.#received = this.#received.slice(length);
    this.#listener?.drained();
  }

  async #answer(request: HttpRequest | HttpRefusal): Promise<void> {
    const opening = 'status' in request ? request.status : await this.#open(request.path);
    if (typeof opening === 'number') this.#refuse(opening, request);
    else {
      try {
        if (!('status' in request)) await this.#send(opening, request);
      } finally {
        opening.close();
      }
    }
    if (!request.isPersistent) this.#close();
  }

  #refuse(status: number, { isHead, isPersistent }: HttpRequest | HttpRefusal, fields: readonly string[] = []): void {
    const text = `${status} ${REASONS[status]}\n`;
    const allowed = status === 405 ? ['Allow: GET, HEAD'] : [];
    this.#sendHead(status, isPersistent, [
      ...fields,
      ...allowed,
      'Content-Type: text/plain',
      `Content-Length: ${text.length}`,
    ]);
    if (!isHead) this.#listener?.data(asciiOf(text));
  }

  async #send(file: ServedFile, request: HttpRequest): Promise<void> {
    const { sizeBytes } = file;
    const part = partOf(request.range, sizeBytes);
    if (!part) {
      this.#refuse(416, request, [`Content-Range: bytes */${sizeBytes}`]);
      return;
    }
    const { first, length } = part;
    const type = TYPES.find(([ending]) => request.path.toLowerCase().endsWith(ending))?.[1];
    const fields = [`Content-Type: ${type ?? 'application/octet-stream'}`, `Content-Length: ${length}`];
    const range = request.range && `Content-Range: bytes ${first}-${first + length - 1}/${sizeBytes}`;
    this.#sendHead(range ? 206 : 200, request.isPersistent, [
      'Accept-Ranges: bytes',
      ...fields,
      ...(range ? [range] : []),
    ]);
    if (!request.isHead) await this.#sendPart(file, part);
  }

  /** A client that was promised bytes that cannot be read finds the connection broken. */
  async #sendPart(file: ServedFile, { first, length }: Part): Promise<void> {
    for (let sent = 0; sent < length; ) {
      await this.#untilFlowing();
      if (!this.#listener) return;
      const wanted = Math.min(CHUNK_BYTES, length - sent);
      const bytes = await file.read(first + sent, wanted).catch(() => undefined);
      if (bytes?.length !== wanted) {
        this.#fail();
        return;
      }
      this.#listener?.data(bytes);
      sent += wanted;
    }
  }

  #untilFlowing(): Promise<void> | undefined {
    if (this.#flows || !this.#listener) return undefined;
    return new Promise((resolve) => {
      this.#goOn = () => {
        this.#goOn = undefined;
        resolve();
      };
    });
  }

  #sendHead(status: number, isPersistent: boolean, fields: readonly string[]): void {
    const lines = [`HTTP/1.1 ${status} ${REASONS[status]}`, 'Server: Vitrine', ...fields];
    lines.push(`Connection: ${isPersistent ? 'keep-alive' : 'close'}`);
    this.#listener?.data(asciiOf(`${lines.join('\r\n')}${HEAD_END}`));
  }

  /** Nothing more is sent, and nothing more heard. */
  #close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#received = '';
    this.#listener?.ended();
  }

  #fail(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.failed('reset');
  }
}

/** @returns undefined where a file has nothing of a range */
function partOf(range: WantedRange | undefined, sizeBytes: number): Part | undefined {
  if (!range) return { first: 0, length: sizeBytes };
  if ('suffix' in range) {
    const length = Math.min(range.suffix, sizeBytes);
    return length > 0 ? { first: sizeBytes - length, length } : undefined;
  }
  const { first, last = sizeBytes - 1 } = range;
  return first < sizeBytes ? { first, length: Math.min(last, sizeBytes - 1) - first + 1 } : undefined;
}

function asciiOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
