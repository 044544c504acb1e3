import type { HostStream, StreamListener } from '../interfaces.ts';
import type { OpenServedFile, ServedFile } from '../served-files.ts';
import { HttpStream } from './stream.ts';

export const HTTP_PORT = 80;
/** Files that are open at the same time, for all clients together. */
const MOST_OPEN_FILES = 64;

/** What became of a wish for a file: the file, or the status that says why there is none. */
export type Opening = ServedFile | 404 | 503;

/** An HTTP server that hands out files (RFC 9110, RFC 9112): HTTP/1.1 by GET and HEAD, with ranges and connections that stay open. */
export class HttpServer {
  readonly #openFile: OpenServedFile;
  #openFiles = 0;

  constructor(openFile: OpenServedFile) {
    this.#openFile = openFile;
  }

  /** The server's end of a connection. @param listener the client's */
  connect(listener: StreamListener): HostStream {
    return new HttpStream((path) => this.#open(path), listener);
  }

  async #open(path: string): Promise<Opening> {
    if (this.#openFiles >= MOST_OPEN_FILES) return 503;
    this.#openFiles++;
    const file = await this.#openFile(path).catch(() => undefined);
    if (!file) {
      this.#openFiles--;
      return 404;
    }
    return {
      sizeBytes: file.sizeBytes,
      read: (at, length) => file.read(at, length),
      close: () => {
        this.#openFiles--;
        file.close();
      },
    };
  }
}
