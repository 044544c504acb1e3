import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';
import { projectRoot } from '../source-files.ts';

/** What makes a page cross-origin isolated, and so gives it shared memory (HTML Standard, 7.1.3 and 7.1.4). */
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** What the worker boots. */
export interface BrowserGuest {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
  readonly memoryBytes: number;
}

/** A server for one page whose worker carries a guest. Sources are served without their types, as they are. */
export class GuestServer {
  readonly #guest: BrowserGuest;
  readonly #isShared: boolean;
  readonly #server: Server;
  readonly #onLine: (line: string) => void;
  readonly #onFailure: (error: Error) => void;

  /** @param isShared whether the guest has shared memory; else the page is not even isolated
   * @param onLine told what the guest prints  @param onFailure told when the page or the worker fails */
  constructor(
    guest: BrowserGuest,
    isShared: boolean,
    onLine: (line: string) => void,
    onFailure: (error: Error) => void,
  ) {
    this.#guest = guest;
    this.#isShared = isShared;
    this.#onLine = onLine;
    this.#onFailure = onFailure;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(onFailure);
    });
  }

  /** @returns the address of the page */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', 'http://localhost');
    if (request.method === 'POST') this.#take(pathname, await text(request));
    const send = (type: string, body: string | Uint8Array) => {
      const isolation = this.#isShared ? ISOLATION : {};
      response.writeHead(200, { 'Content-Type': type, ...isolation }).end(body);
    };
    if (pathname === '/') send('text/html', page(this.#isShared));
    else if (pathname === '/kernel') send('application/octet-stream', this.#guest.kernel);
    else if (pathname === '/initrd') send('application/octet-stream', this.#guest.initrd ?? new Uint8Array());
    else if (pathname === '/guest') send('application/json', JSON.stringify(this.#facts));
    else if (pathname.endsWith('.ts')) send('text/javascript', readScript(pathname));
    else send('text/plain', '');
  }

  get #facts() {
    const { commandLine, memoryBytes } = this.#guest;
    return { commandLine, memoryBytes };
  }

  #take(kind: string, body: string): void {
    if (kind === '/line') this.#onLine(body);
    if (kind === '/failure') this.#onFailure(new Error(body));
  }
}

/** A page that is not isolated must not have shared memory, one that is must: else the test would not test it. */
function page(isShared: boolean): string {
  return `<!doctype html><title>Guest</title><script type="module">
const fail = (text) => fetch('/failure', { method: 'POST', body: text });
if (crossOriginIsolated !== ${isShared}) fail('crossOriginIsolated is ' + crossOriginIsolated);
const worker = new Worker('/test/browser/worker.ts?shared=${Number(isShared)}', { type: 'module' });
worker.onerror = ({ message, filename, lineno }) => fail(message + ' at ' + filename + ':' + lineno);
</script>`;
}

/** A script of the project, without its types. @param path from the root */
export function readScript(path: string): string {
  const source = readFileSync(join(projectRoot, normalize(path)), 'utf8');
  return stripTypeScriptTypes(source);
}
