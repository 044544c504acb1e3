import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Frame } from '../../src/display/interfaces.ts';
import { findChromium } from '../browser/chromium.ts';
import { DrivenPage } from '../browser/dev-tools.ts';
import type { NamedKey, Viewer } from './viewer.ts';

const POLL_MILLIS = 200;
/** The pointer reaches only what is in sight: all of a screen of 1024 by 768 is. */
const WINDOW = '1280,1024';
/** The picture in base 64, since numbers of JSON would be several times as long. */
const PICTURE = `(() => {
  const canvas = document.querySelector('#screen canvas');
  if (!canvas || canvas.width === 0) return undefined;
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  let text = '';
  for (let at = 0; at < data.length; at += 4096) text += String.fromCharCode(...data.subarray(at, at + 4096));
  return { width, height, pixels: btoa(text) };
})()`;
const CONNECTED = `document.querySelector('#state')?.value === 'connected'`;
const CORNER = `(({ x, y }) => ({ x, y }))(document.querySelector('#screen canvas').getBoundingClientRect())`;

/** The page of `--display web`, which has noVNC, in Chromium. */
export class NoVnc implements Viewer {
  readonly page: DrivenPage;
  #at = { x: 0, y: 0 };

  private constructor(page: DrivenPage) {
    this.page = page;
  }

  /** Why it cannot be used on this host; false: it can. */
  static get absent(): string | false {
    return findChromium() === undefined && 'there is no Chromium on this host';
  }

  /** Opens the page of a machine that was started with `--display web`, its screen in its own size and listening to keys. */
  static async open(machine: ChildProcess): Promise<NoVnc> {
    const page = await DrivenPage.open(findChromium() ?? '', await pageOf(machine), WINDOW);
    while (!(await page.evaluate<boolean>(CONNECTED))) await delay(POLL_MILLIS);
    await page.click('#scale');
    await page.click('[data-view=screen]');
    return new NoVnc(page);
  }

  get pid(): number {
    return this.page.pid;
  }

  async see(): Promise<Frame | undefined> {
    const picture = await this.page.evaluate<{ width: number; height: number; pixels: string } | undefined>(PICTURE);
    if (picture === undefined) return undefined;
    const { width, height, pixels } = picture;
    return { width, height, pixels: new Uint32Array(Uint8Array.from(Buffer.from(pixels, 'base64')).buffer) };
  }

  async moveTo(x: number, y: number): Promise<void> {
    const corner = await this.page.evaluate<{ x: number; y: number }>(CORNER);
    this.#at = { x: corner.x + x, y: corner.y + y };
    await this.page.point('mouseMoved', this.#at);
  }

  button(pressed: boolean): Promise<void> {
    return this.page.point(pressed ? 'mousePressed' : 'mouseReleased', this.#at, 'left');
  }

  press(key: NamedKey): Promise<void> {
    return this.page.press(key, key);
  }

  async type(text: string): Promise<void> {
    for (const key of text) await this.page.press(codeOf(key), key, key);
  }

  close(): Promise<void> {
    return this.page.close();
  }
}

/** The address of the page that a machine shows. */
export async function pageOf(machine: ChildProcess): Promise<string> {
  if (machine.stderr === null) throw new Error('nobody hears what the machine says');
  for await (const line of createInterface(machine.stderr)) {
    const address = /http:\S+/.exec(line)?.[0];
    if (address !== undefined) return address;
  }
  throw new Error('the machine has ended');
}

/** The place of a key on an American keyboard (UI Events KeyboardEvent code Values). */
function codeOf(key: string): string {
  if (key === ' ') return 'Space';
  return /\d/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`;
}
