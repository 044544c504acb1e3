import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame } from '../../src/display/interfaces.ts';
import { endProcess, type NamedKey, type Viewer } from './viewer.ts';

const TOOLS = ['Xvfb', 'xdotool', 'xtigervncviewer'];
const SCREEN = '1280x1024x24';
const OPTIONS = ['-SecurityTypes', 'None', '-RemoteResize=0', '-AlertOnFatalError=0'];
const KEYS: Readonly<Record<NamedKey, string>> = { Enter: 'Return', ArrowDown: 'Down' };
const MILLIS_PER_KEY = '50';
const OPAQUE = 0xff000000;

interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** TigerVNC's viewer on an X server of its own, whose screen is a file. */
export class TigerVnc implements Viewer {
  readonly #folder: string;
  readonly #server: ChildProcess;
  readonly #viewer: ChildProcess;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(folder: string, server: ChildProcess, viewer: ChildProcess, environment: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#server = server;
    this.#viewer = viewer;
    this.#environment = environment;
  }

  /** Why it cannot be used on this host; false: it can. */
  static get absent(): string | false {
    const tool = TOOLS.find((name) => spawnSync('which', [name]).status !== 0);
    return tool !== undefined && `there is no ${tool} on this host`;
  }

  /** Connects to a machine that was started with `--display vnc:127.0.0.1:PORT`, and listens already. */
  static async open(port: number): Promise<TigerVnc> {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-tigervnc-'));
    const screen = ['-screen', '0', SCREEN, '-fbdir', folder, '-nolisten', 'tcp', '-displayfd', '3'];
    const server = spawn('Xvfb', screen, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const [display] = await once(server.stdio[3] as NodeJS.ReadableStream, 'data');
    const environment = { ...process.env, DISPLAY: `:${String(display).trim()}`, HOME: folder };
    const viewer = spawn('xtigervncviewer', [...OPTIONS, `127.0.0.1::${port}`], { env: environment, stdio: 'ignore' });
    const opened = new TigerVnc(folder, server, viewer, environment);
    opened.#xdotool('search', '--sync', '--onlyvisible', '--name', 'Vitrine');
    opened.#xdotool('windowfocus', opened.#window);
    return opened;
  }

  get pid(): number {
    return this.#viewer.pid ?? 0;
  }

  async see(): Promise<Frame | undefined> {
    return readXwd(readFileSync(join(this.#folder, 'Xvfb_screen0')), this.#place);
  }

  /** Clicks with a button that guests hardly look at, too: movement alone is told lazily. */
  async moveTo(x: number, y: number): Promise<void> {
    const place = this.#place;
    this.#xdotool('mousemove', `${place.x + x}`, `${place.y + y}`, 'click', '3');
  }

  async button(pressed: boolean): Promise<void> {
    this.#xdotool(pressed ? 'mousedown' : 'mouseup', '1');
  }

  async press(key: NamedKey): Promise<void> {
    this.#xdotool('key', KEYS[key]);
  }

  async type(text: string): Promise<void> {
    this.#xdotool('type', '--delay', MILLIS_PER_KEY, text);
  }

  async close(): Promise<void> {
    await endProcess(this.#viewer);
    await endProcess(this.#server);
    rmSync(this.#folder, { recursive: true });
  }

  get #window(): string {
    return this.#xdotool('search', '--onlyvisible', '--name', 'Vitrine').trim().split('\n').at(-1) ?? '';
  }

  /** Where on the X screen the guest's is, which may become larger. */
  get #place(): Place {
    const text = this.#xdotool('getwindowgeometry', '--shell', this.#window);
    const [x, y, width, height] = ['X', 'Y', 'WIDTH', 'HEIGHT'].map((name) =>
      Number(new RegExp(`^${name}=(-?\\d+)$`, 'm').exec(text)?.[1]),
    );
    return { x, y, width, height };
  }

  #xdotool(...args: string[]): string {
    return execFileSync('xdotool', args, { env: this.#environment, encoding: 'utf8' });
  }
}

/** Reads a part of the frame buffer file of an X server, of 32 bits a pixel (XWDFile.h of the X Window System). */
function readXwd(file: Buffer, { x, y, width, height }: Place): Frame {
  const field = (n: number) => file.readUInt32BE(n * 4);
  const [headerBytes, bytesPerLine, colors] = [field(0), field(12), field(19)];
  const start = headerBytes + colors * 12;
  const pixels = new Uint32Array(width * height);
  for (let row = 0; row < height; row++) {
    const line = start + (y + row) * bytesPerLine + x * 4;
    for (let column = 0; column < width; column++) {
      const word = file.readUInt32LE(line + column * 4);
      pixels[row * width + column] = OPAQUE | ((word & 0xff) << 16) | (word & 0xff00) | ((word >> 16) & 0xff);
    }
  }
  return { width, height, pixels };
}
