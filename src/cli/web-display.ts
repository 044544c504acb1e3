import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import type { HostCharPort } from '../host/node/char-ports.ts';
import { WebAudio } from '../host/node/web-audio.ts';
import { WebSerial } from '../host/node/web-serial.ts';
import { LocalWebServer, type WebContent, type WebSite } from '../host/node/web-server.ts';
import { takePageMessage } from '../vm/page-control.ts';
import { RfbServer } from '../vm/rfb-server.ts';
import type { HostAudio } from './audio.ts';
import { fillRandom } from './display.ts';
import type { Machine } from './machine.ts';
import { type PageParts, webPage } from './web-page.ts';

type WebSocket = Parameters<WebSite['connect']>[1];

const SCRIPT = 'text/javascript';
/** Our own modules have the ending of this one: they are served as they are in a package, and without types before. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const PAGE_SCRIPT = `console/main${EXTENSION}`;
/** Scripts of our own that the page may load. */
const OWN_SCRIPT = new RegExp(`^console/[\\w-]+\\${EXTENSION}$`);

/** What the page loads from packages: path, package file, type. Paths of noVNC are those of its own folder. */
const PACKAGE_FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  'xterm/xterm.mjs': ['@xterm/xterm/lib/xterm.mjs', SCRIPT],
  'xterm/xterm.css': ['@xterm/xterm/css/xterm.css', 'text/css'],
  'xterm/addon-fit.mjs': ['@xterm/addon-fit/lib/addon-fit.mjs', SCRIPT],
};
/** What may be asked for of noVNC: scripts in its folders core and vendor. */
const NOVNC_SCRIPT = /^novnc\/((?:core|vendor)\/(?:[\w-]+\/)*[\w-]+\.js)$/;

/** What a page can show of a machine besides its screen. */
export interface WebOutputs {
  /** Lines of other kinds than {@link WebSerial} have no console. */
  readonly serial: readonly (HostCharPort | undefined)[];
  /** Sound that goes elsewhere than to {@link WebAudio} is not heard. */
  readonly audio: HostAudio | undefined;
}

/** Shows a machine's screen and serial lines on a page for this host's browsers until the returned function is called.
 * @param tell told the page's address */
export async function serveWeb(
  machine: Machine,
  { serial, audio }: WebOutputs,
  tell: (line: string) => void,
): Promise<() => void> {
  const console = await machine.console();
  const screen = new RfbServer(console, { name: 'Vitrine', fillRandom });
  const lines = serial.filter((line) => line instanceof WebSerial);
  const sound = audio instanceof WebAudio ? audio : undefined;
  const server = await LocalWebServer.listen({
    content: (path) => contentOf(path, { serialLines: lines.length, hasSound: sound !== undefined }),
    connect(path, socket) {
      const line = /^serial(\d)$/.exec(path)?.[1];
      if (path === 'screen') showScreen(socket, screen);
      else if (path === 'sound' && sound) playSound(socket, sound);
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
  const viewer = server.connect({
    isNear: true,
    send: (bytes, sent) => socket.send(bytes, sent),
    end: () => socket.close(),
  });
  socket.on('message', (data) => viewer.receive(bytesOf(data)));
  socket.on('close', () => viewer.closed());
}

function openConsole(socket: WebSocket, line: WebSerial): void {
  const detach = line.attach((bytes) => socket.send(bytes));
  socket.on('message', (data) => line.receive(bytesOf(data)));
  socket.on('close', detach);
}

function playSound(socket: WebSocket, sound: WebAudio): void {
  const detach = sound.attach({
    send: (bytes) => socket.send(bytes),
    get waitingBytes() {
      return socket.bufferedAmount;
    },
  });
  socket.on('close', detach);
}

/** A message, however `ws` cut it. */
function bytesOf(data: unknown): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : (data as Buffer);
}

async function contentOf(path: string, parts: PageParts): Promise<WebContent | undefined> {
  if (path === '') return { type: 'text/html; charset=utf-8', body: webPage(PAGE_SCRIPT, parts) };
  if (OWN_SCRIPT.test(path)) return readOwnScript(path);
  const script = NOVNC_SCRIPT.exec(path)?.[1];
  if (script !== undefined) {
    const root = new URL('..', import.meta.resolve('@novnc/novnc'));
    const body = await readFile(new URL(script, root)).catch(() => undefined);
    return body && { type: SCRIPT, body };
  }
  const file = Object.hasOwn(PACKAGE_FILES, path) ? PACKAGE_FILES[path] : undefined;
  return file && { type: file[1], body: await readFile(new URL(import.meta.resolve(file[0]))) };
}

async function readOwnScript(path: string): Promise<WebContent | undefined> {
  const text = await readFile(new URL(`../${path}`, import.meta.url), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  return { type: SCRIPT, body: path.endsWith('.ts') ? stripTypeScriptTypes(text) : text };
}

/** Opens the page as a person would: where that fails, the address was printed. */
function openBrowser(url: string): void {
  const program = { darwin: 'open', win32: 'explorer' }[process.platform as string] ?? 'xdg-open';
  const child = spawn(program, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
