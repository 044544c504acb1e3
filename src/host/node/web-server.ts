import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** Something that a page can load. */
export interface WebContent {
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** What a {@link LocalWebServer} serves. */
export interface WebSite {
  /** @param path what follows the token and its slash; empty for the page itself  @returns undefined: there is no such thing */
  content(path: string): Promise<WebContent | undefined>;
  /** Takes a WebSocket over. @param path as above  @returns whether there is one at the path */
  connect(path: string, socket: WebSocket): boolean;
}

const HOST = '127.0.0.1';
const TOKEN_BYTES = 24;
const LARGEST_MESSAGE = 1 << 20;

/** The page may load and talk to nothing but this server; the terminal's own styles are in line. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws:; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

/**
 * A web server for the person at this host alone: it listens on the loopback interface, everything lies below a random
 * token, and requests of other sites' pages, which a browser lets through to the loopback interface too, are told by
 * their Host and Origin.
 */
export class LocalWebServer {
  readonly #site: WebSite;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_MESSAGE, perMessageDeflate: false });
  readonly #token = randomBytes(TOKEN_BYTES).toString('base64url');

  private constructor(site: WebSite) {
    this.#site = site;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on('upgrade', (request, stream, head) => this.#upgrade(request, stream, head));
  }

  /** @param port 0 for any that is free  @throws {Error} the port is in use */
  static async listen(site: WebSite, port = 0): Promise<LocalWebServer> {
    const server = new LocalWebServer(site);
    server.#server.listen(port, HOST);
    await once(server.#server, 'listening');
    return server;
  }

  /** The address of the page, which holds the token: whoever knows it may use it. */
  get url(): string {
    return `http://${HOST}:${this.#port}/${this.#token}/`;
  }

  close(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = this.#permitted(request);
    const content = request.method === 'GET' && path !== undefined ? await this.#site.content(path) : undefined;
    if (content === undefined) {
      response.writeHead(path === undefined ? 403 : 404, HEADERS).end();
      return;
    }
    response.writeHead(200, { ...HEADERS, 'Content-Type': content.type }).end(content.body);
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const path = request.headers.origin === undefined ? undefined : this.#permitted(request);
    if (path === undefined) {
      stream.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#sockets.handleUpgrade(request, stream, head, (socket) => {
      socket.on('error', () => {});
      if (!this.#site.connect(path, socket)) socket.close();
    });
  }

  /** The path behind the token, for a request that may be answered. */
  #permitted({ headers, url = '' }: IncomingMessage): string | undefined {
    const names = [`${HOST}:${this.#port}`, `localhost:${this.#port}`];
    if (!names.includes(headers.host ?? '')) return undefined;
    if (headers.origin !== undefined && !names.some((name) => headers.origin === `http://${name}`)) return undefined;
    const [, token, path] = /^\/([^/?]*)\/([^?]*)/.exec(url) ?? [];
    return token !== undefined && this.#isToken(token) ? path : undefined;
  }

  #isToken(text: string): boolean {
    const [given, own] = [Buffer.from(text), Buffer.from(this.#token)];
    return given.length === own.length && timingSafeEqual(given, own);
  }
}
