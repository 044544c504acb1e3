import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Chromium } from './chromium.ts';

const START_MILLIS = 30_000;
const POLL_MILLIS = 100;

interface Reply {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: unknown;
}

/** A page in a Chromium, driven by the Chrome DevTools Protocol. */
export class DrivenPage {
  readonly #browser: Chromium;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #next = 1;

  private constructor(browser: Chromium, socket: WebSocket) {
    this.#browser = browser;
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const reply = JSON.parse(String(data)) as Reply;
      if (reply.id !== undefined) this.#waiting.get(reply.id)?.(reply);
    };
  }

  /** @param program as findChromium names it  @param size of the window, with its frame */
  static async open(program: string, address: string, size = '1000,700'): Promise<DrivenPage> {
    const browser = new Chromium(program, address, ['--remote-debugging-port=0', `--window-size=${size}`]);
    const socket = new WebSocket(await debuggerOf(browser.profile, address));
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new DrivenPage(browser, socket);
  }

  /** Of the browser's first process. */
  get pid(): number {
    return this.#browser.pid;
  }

  /** Sends a command of the protocol. @throws {Error} it fails */
  async command(method: string, params: object = {}): Promise<unknown> {
    const id = this.#next++;
    const reply = await new Promise<Reply>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
    this.#waiting.delete(id);
    if (reply.error) throw new Error(`${method}: ${reply.error.message}`);
    return reply.result;
  }

  /** The value of an expression in the page, which may be a promise. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result } = (await this.command('Runtime.evaluate', params)) as { result: { value: Value } };
    return result.value;
  }

  /** Presses and releases a key, by its place on a US keyboard and what it types. */
  async press(code: string, key: string, text?: string): Promise<void> {
    const virtualKey = key.length === 1 ? key.toUpperCase().charCodeAt(0) : 13;
    const event = { code, key, windowsVirtualKeyCode: virtualKey };
    await this.command('Input.dispatchKeyEvent', { ...event, type: 'keyDown', text });
    await this.command('Input.dispatchKeyEvent', { ...event, type: 'keyUp' });
  }

  /** Clicks into the middle of an element, as somebody would. @throws {Error} there is none */
  async click(selector: string): Promise<void> {
    const place = `(() => {
      const { x, y, width, height } = document.querySelector('${selector}').getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    })()`;
    await this.point('mousePressed', await this.evaluate(place), 'left');
    await this.point('mouseReleased', await this.evaluate(place), 'left');
  }

  /** Does something with the mouse at a place of the page. */
  async point(
    type: 'mouseMoved' | 'mousePressed' | 'mouseReleased',
    { x, y }: { readonly x: number; readonly y: number },
    button: 'none' | 'left' = 'none',
  ): Promise<void> {
    await this.command('Input.dispatchMouseEvent', { type, x, y, button, clickCount: button === 'none' ? 0 : 1 });
  }

  /** The page as PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = (await this.command('Page.captureScreenshot')) as { data: string };
    return Buffer.from(data, 'base64');
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.#browser.close();
  }
}

/** The WebSocket at which the page can be driven. Chromium writes the port into its profile once it listens. */
async function debuggerOf(profile: string, address: string): Promise<string> {
  for (const deadline = Date.now() + START_MILLIS; Date.now() < deadline; await delay(POLL_MILLIS)) {
    try {
      const [port] = (await readFile(join(profile, 'DevToolsActivePort'), 'utf8')).split('\n');
      const pages = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
        url: string;
        webSocketDebuggerUrl: string;
      }[];
      const page = pages.find(({ url }) => url.startsWith(address));
      if (page) return page.webSocketDebuggerUrl;
    } catch {
      // not there yet
    }
  }
  throw new Error('Chromium does not open its debugging port');
}
