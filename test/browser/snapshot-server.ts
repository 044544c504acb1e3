import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { readScript } from './server.ts';

const RANGE = /^bytes=(\d+)-(\d+)$/;

/** What came back from the browser. */
export interface FromBrowser {
  readonly saved: Uint8Array;
  readonly output: string;
}

/** A server for one page whose worker goes on from a snapshot, which it fetches in ranges, and sends back another. */
export class SnapshotServer {
  readonly #snapshot: Uint8Array;
  readonly #worker: string;
  readonly #server: Server;
  readonly #result = Promise.withResolvers<FromBrowser>();
  #saved: Uint8Array = new Uint8Array(0);
  /** Bytes of the snapshot that were fetched. */
  fetchedBytes = 0;

  /** @param line typed in the browser's guest  @param wanted what the guest then says */
  constructor(snapshot: Uint8Array, line: string, wanted: string) {
    this.#snapshot = snapshot;
    this.#worker = `/test/browser/snapshot-worker.ts?${new URLSearchParams({ line, wanted })}`;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(this.#result.reject);
    });
  }

  /** @returns the address of the page */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** What the browser sends back. @throws {Error} it fails */
  get result(): Promise<FromBrowser> {
    return this.#result.promise;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', 'http://localhost');
    if (request.method === 'POST') this.#take(pathname, await buffer(request));
    if (pathname === '/snapshot') this.#sendSnapshot(request, response);
    else if (pathname === '/') response.setHeader('Content-Type', 'text/html').end(this.#page());
    else if (pathname.endsWith('.ts')) response.setHeader('Content-Type', 'text/javascript').end(readScript(pathname));
    else response.end();
  }

  #sendSnapshot({ headers, method }: IncomingMessage, response: ServerResponse): void {
    const [, first, last] = RANGE.exec(headers.range ?? '') ?? [];
    if (first === undefined) {
      response.setHeader('Content-Length', this.#snapshot.length);
      response.end(method === 'HEAD' ? undefined : this.#snapshot);
      return;
    }
    const bytes = this.#snapshot.subarray(Number(first), Number(last) + 1);
    this.fetchedBytes += bytes.length;
    response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${this.#snapshot.length}` }).end(bytes);
  }

  #take(kind: string, body: Buffer): void {
    if (kind === '/saved') this.#saved = body;
    else if (kind === '/output') this.#result.resolve({ saved: this.#saved, output: body.toString('latin1') });
    else this.#result.reject(new Error(body.toString()));
  }

  #page(): string {
    return `<!doctype html><title>Snapshot</title><script type="module">
const fail = (text) => fetch('/failure', { method: 'POST', body: text });
const worker = new Worker(${JSON.stringify(this.#worker)}, { type: 'module' });
worker.onerror = ({ message, filename, lineno }) => fail(message + ' at ' + filename + ':' + lineno);
</script>`;
  }
}
