import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import type { HostCharPort } from '../host/node/char-ports.ts';
import { WebSerial } from '../host/node/web-serial.ts';
import { LocalWebServer, type WebContent, type WebSite } from '../host/node/web-server.ts';
import { takePageMessage } from '../vm/page-control.ts';
import { RfbServer } from '../vm/rfb-server.ts';
import { fillRandom } from './display.ts';
import type { Machine } from './machine.ts';
import { webPage } from './web-page.ts';

type WebSocket = Parameters<WebSite['connect']>[1];

const SCRIPT = 'text/javascript';
/** Our own modules have the ending of this one: they are served as they are in a package, and without types before. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const PAGE_SCRIPT = `console/main${EXTENSION}`;

/** What the page loads from packages: path, package file, type. Paths of noVNC are those of its own folder. */
const PACKAGE_FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  'xterm/xterm.mjs': ['@xterm/xterm/lib/xterm.mjs', SCRIPT],
  'xterm/xterm.css': ['@xterm/xterm/css/xterm.css', 'text/css'],
  'xterm/addon-fit.mjs': ['@xterm/addon-fit/lib/addon-fit.mjs', SCRIPT],
};
/** What may be asked for of noVNC: scripts in its folders core and vendor. */
const NOVNC_SCRIPT = /^novnc\/((?:core|vendor)\/(?:[\w-]+\/)*[\w-]+\.js)$/;

/** Shows a machine's screen and serial lines on a page for this host's browsers until the returned function is called.
 * @param serial lines of other kinds than {@link WebSerial} have no console
 * @param tell told the page's address */
export async function serveWeb(
  machine: Machine,
  serial: readonly (HostCharPort | undefined)[],
  tell: (line: string) => void,
): Promise<() => void> {
  const console = await machine.console();
  const screen = new RfbServer(console, { name: 'Vitrine', fillRandom });
  const lines = serial.filter((line) => line instanceof WebSerial);
  const server = await LocalWebServer.listen({
    content: (path) => contentOf(path, lines.length),
    connect(path, socket) {
      const line = /^serial(\d)$/.exec(path)?.[1];
      if (path === 'screen') showScreen(socket, screen);
      else if (path === 'control') socket.on('message', (data) => void takePageMessage(console, String(data)));
      else if (line !== undefined && lines[Number(line)]) openConsole(socket, lines[Number(line)]);
      else return false;
      return true;
    },
  });
  tell(`the screen is at ${server.url}`);
  if (process.stderr.isTTY) openBrowser(server.url);
  return () => server.close();
}

function showScreen(socket: WebSocket, server: RfbServer): void {
  const viewer = server.connect({ isNear: true, send: (bytes) => socket.send(bytes), end: () => socket.close() });
  socket.on('message', (data) => viewer.receive(bytesOf(data)));
  socket.on('close', () => viewer.closed());
}

function openConsole(socket: WebSocket, line: WebSerial): void {
  const detach = line.attach((bytes) => socket.send(bytes));
  socket.on('message', (data) => line.receive(bytesOf(data)));
  socket.on('close', detach);
}

/** A message, however `ws` cut it. */
function bytesOf(data: unknown): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : (data as Buffer);
}

async function contentOf(path: string, serialLines: number): Promise<WebContent | undefined> {
  if (path === '') return { type: 'text/html; charset=utf-8', body: webPage(PAGE_SCRIPT, serialLines) };
  if (path === PAGE_SCRIPT) return { type: SCRIPT, body: await readOwnScript(path) };
  const script = NOVNC_SCRIPT.exec(path)?.[1];
  if (script !== undefined) {
    const root = new URL('..', import.meta.resolve('@novnc/novnc'));
    const body = await readFile(new URL(script, root)).catch(() => undefined);
    return body && { type: SCRIPT, body };
  }
  const file = Object.hasOwn(PACKAGE_FILES, path) ? PACKAGE_FILES[path] : undefined;
  return file && { type: file[1], body: await readFile(new URL(import.meta.resolve(file[0]))) };
}

async function readOwnScript(path: string): Promise<string> {
  const text = await readFile(new URL(`../${path}`, import.meta.url), 'utf8');
  return path.endsWith('.ts') ? stripTypeScriptTypes(text) : text;
}

/** Opens the page as a person would: where that fails, the address was printed. */
function openBrowser(url: string): void {
  const program = { darwin: 'open', win32: 'explorer' }[process.platform as string] ?? 'xdg-open';
  const child = spawn(program, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
