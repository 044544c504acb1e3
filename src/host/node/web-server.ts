import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { hostname } from 'node:os';
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

/** How a {@link LocalWebServer} is reached. */
export interface WebServerOptions {
  /** The address it listens on; absent: the loopback interface's. */
  readonly host?: string;
  /** Absent or 0: any that is free. */
  readonly port?: number;
  /** What its paths begin with; absent: random. */
  readonly token?: string;
  /** Whether programs may connect, which name no origin as pages do. */
  readonly admitsPrograms?: boolean;
  /** Other origins whose pages may use it, such as `https://example.org`. */
  readonly origins?: readonly string[];
}

const LOOPBACK = '127.0.0.1';
/** Listening on these is listening on all of the host's addresses. */
const ANY_ADDRESS = ['0.0.0.0', '::'];
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
 * A web server for the person at this host alone, unless it is told to listen elsewhere: it listens on the loopback interface,
 * everything lies below a random token, and requests of other sites' pages, which a browser lets through to the loopback
 * interface too, are told by their Host and Origin.
 */
export class LocalWebServer {
  readonly #site: WebSite;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_MESSAGE, perMessageDeflate: false });
  readonly #options: WebServerOptions;
  readonly #host: string;
  readonly #token: string;

  private constructor(site: WebSite, options: WebServerOptions) {
    this.#site = site;
    this.#options = options;
    this.#host = options.host ?? LOOPBACK;
    this.#token = options.token ?? randomBytes(TOKEN_BYTES).toString('base64url');
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on('upgrade', (request, stream, head) => this.#upgrade(request, stream, head));
  }

  /** @throws {Error} the port is in use, or the address none of this host's */
  static async listen(site: WebSite, options: WebServerOptions = {}): Promise<LocalWebServer> {
    const server = new LocalWebServer(site, options);
    server.#server.listen(options.port ?? 0, server.#host);
    await once(server.#server, 'listening');
    return server;
  }

  /** The address of the page, which holds the token: whoever knows it may use it. */
  get url(): string {
    return `http://${inUrl(this.#host)}:${this.#port}/${this.#token}/`;
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
    const isAdmitted = request.headers.origin !== undefined || this.#options.admitsPrograms === true;
    const path = isAdmitted ? this.#permitted(request) : undefined;
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
    const { host = '', origin } = headers;
    if (!this.#isOwnName(host)) return undefined;
    if (origin !== undefined && origin !== `http://${host}` && !this.#options.origins?.includes(origin))
      return undefined;
    const [, token, path] = /^\/([^/?]*)\/([^?]*)/.exec(url) ?? [];
    return token !== undefined && this.#isToken(token) ? path : undefined;
  }

  /** Whether a request was sent to this server by a name that is its own. A name of somebody else's may lead here as well;
   * an address cannot be made to. */
  #isOwnName(name: string): boolean {
    const [, host, port] = /^(.*):(\d+)$/.exec(name) ?? [];
    if (Number(port) !== this.#port) return false;
    if (host === inUrl(this.#host) || host === 'localhost') return true;
    return ANY_ADDRESS.includes(this.#host) && (host === hostname() || isIP(host.replace(/^\[|\]$/g, '')) !== 0);
  }

  #isToken(text: string): boolean {
    const [given, own] = [Buffer.from(text), Buffer.from(this.#token)];
    return given.length === own.length && timingSafeEqual(given, own);
  }
}

/** An address as it stands in a URL. */
function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
