import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { findChromium } from './browser/chromium.ts';
import { DrivenPage } from './browser/dev-tools.ts';
import { PAINTED, PAINTER_READY, POINTER, paintingGuest } from './guests/painting-guest.ts';
import { projectRoot } from './source-files.ts';

const TIMEOUT_MILLIS = 60_000;
const POLL_MILLIS = 200;
/** Where the pointer is moved to, step by step, and how far from it the guest's may be. */
const WAY = [
  [100, 60],
  [400, 300],
  [220, 410],
] as const;
const TOLERANCE = 3;
/** What is typed, and its scan codes of set 1. */
const TYPED = 'vm 1';
const SCAN_CODES = [0x2f, 0x32, 0x39, 0x02];

/** A picture of the guest's screen, as a viewer shows it: red, green and blue of a pixel. */
type Picture = (x: number, y: number) => number;

/** Waits until a viewer's picture is as it should be. */
async function until(what: string, see: () => Promise<Picture | undefined>, holds: (picture: Picture) => boolean) {
  for (const end = Date.now() + TIMEOUT_MILLIS; Date.now() < end; await delay(POLL_MILLIS)) {
    const picture = await see();
    if (picture && holds(picture)) return;
  }
  assert.fail(`in vain waited for ${what}`);
}

/** Whether the guest's pointer is near a place, and nowhere else on the way. */
const pointsTo = (x: number, y: number, color: number) => (picture: Picture) => {
  const middle = POINTER.side / 2;
  const isThere = picture(x + middle, y + middle) === color;
  const isClean = WAY.every(([left, top]) => (left === x && top === y) || picture(left + middle, top + middle) === 0);
  const ends = [x - TOLERANCE - 1, x + POINTER.side + TOLERANCE].every((column) => picture(column, y + middle) === 0);
  return isThere && isClean && ends;
};

const hasKeys = (picture: Picture) => SCAN_CODES.every((code, n) => picture(n, PAINTED.height - 1) === code);

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

const folder = mkdtempSync(join(tmpdir(), 'vitrine-viewers-'));
const kernel = join(folder, 'kernel');
writeFileSync(kernel, paintingGuest());
after(() => rmSync(folder, { recursive: true }));

function startMachine(display: string, ...options: string[]): ChildProcess {
  const args = ['run', kernel, '--memory', '32M', '--net', 'none', '--display', display, ...options];
  return spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  child.kill();
  await once(child, 'exit');
}

describe('noVNC in Chromium', { skip: findChromium() === undefined && 'there is no Chromium on this host' }, () => {
  let machine: ChildProcess;
  let page: DrivenPage;
  let corner = { x: 0, y: 0 };

  const see = async (): Promise<Picture | undefined> => {
    const pixels = await page.evaluate<number[] | undefined>(`(() => {
      const canvas = document.querySelector('#screen canvas');
      if (!canvas || canvas.width !== ${PAINTED.width}) return undefined;
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return Array.from({ length: data.length / 4 }, (_, i) => (data[i * 4] << 16) | (data[i * 4 + 1] << 8) | data[i * 4 + 2]);
    })()`);
    return pixels && ((x, y) => pixels[y * PAINTED.width + x]);
  };

  before(async () => {
    machine = startMachine('web');
    let address = '';
    assert.ok(machine.stderr);
    for await (const line of createInterface(machine.stderr)) {
      address = /http:\S+/.exec(line)?.[0] ?? '';
      if (address !== '') break;
    }
    page = await DrivenPage.open(findChromium() ?? '', address);
    await until('the screen', see, (picture) => picture(0, 0) === POINTER.released);
    await page.click('#scale');
    corner = await page.evaluate(
      `(({ x, y }) => ({ x, y }))(document.querySelector('#screen canvas').getBoundingClientRect())`,
    );
  });
  after(async () => {
    await page?.close();
    await end(machine);
  });

  it('moves the pointer of the guest', async () => {
    for (const [x, y] of WAY) {
      await page.point('mouseMoved', { x: corner.x + x, y: corner.y + y });
      await until(`the pointer at ${x}, ${y}`, see, pointsTo(x, y, POINTER.released));
    }
  });

  it('presses and releases its button', async () => {
    const [x, y] = WAY[2];
    await page.point('mousePressed', { x: corner.x + x, y: corner.y + y }, 'left');
    await until('a pressed button', see, pointsTo(x, y, POINTER.pressed));
    await page.point('mouseReleased', { x: corner.x + x, y: corner.y + y }, 'left');
    await until('a released button', see, pointsTo(x, y, POINTER.released));
  });

  it('types into it', async () => {
    const codes: Readonly<Record<string, string>> = { v: 'KeyV', m: 'KeyM', ' ': 'Space', 1: 'Digit1' };
    for (const key of TYPED) await page.press(codes[key], key, key);
    await until('the keys', see, hasKeys);
  });
});

const TOOLS = ['Xvfb', 'xdotool', 'xtigervncviewer'];
const absent = TOOLS.find((tool) => spawnSync('which', [tool]).status !== 0);

describe('TigerVNC', { skip: absent !== undefined && `there is no ${absent} on this host` }, () => {
  const children: ChildProcess[] = [];
  let environment: NodeJS.ProcessEnv = {};
  let corner = { x: 0, y: 0 };

  const xdotool = (...args: string[]) => execFileSync('xdotool', args, { env: environment, encoding: 'utf8' });
  /** Moves the pointer, and clicks with a button that the guest does not look at: movement alone is told lazily. */
  const moveTo = async (x: number, y: number): Promise<Picture> => {
    xdotool('mousemove', `${corner.x + x}`, `${corner.y + y}`, 'click', '3');
    await delay(POLL_MILLIS);
    return see();
  };
  const see = async () => readXwd(readFileSync(join(folder, 'Xvfb_screen0')), corner);

  before(async () => {
    const port = await freePort();
    const machine = startMachine(`vnc:127.0.0.1:${port}`, '--serial', 'stdio');
    children.push(machine);
    assert.ok(machine.stdout);
    const [greeting] = await once(machine.stdout, 'data');
    assert.equal(String(greeting), PAINTER_READY);
    const screen = ['-screen', '0', '1024x768x24', '-fbdir', folder, '-nolisten', 'tcp', '-displayfd', '3'];
    const server = spawn('Xvfb', screen, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    children.push(server);
    const [display] = await once(server.stdio[3] as NodeJS.ReadableStream, 'data');
    environment = { ...process.env, DISPLAY: `:${String(display).trim()}`, HOME: folder };
    const options = ['-SecurityTypes', 'None', '-RemoteResize=0', '-AlertOnFatalError=0'];
    const viewer = spawn('xtigervncviewer', [...options, `127.0.0.1::${port}`], { env: environment, stdio: 'ignore' });
    children.push(viewer);
    const found = xdotool('search', '--sync', '--onlyvisible', '--name', 'Vitrine').trim().split('\n').at(-1) ?? '';
    xdotool('windowfocus', found);
    const place = /X=(-?\d+)\nY=(-?\d+)/.exec(xdotool('getwindowgeometry', '--shell', found));
    corner = { x: Number(place?.[1]), y: Number(place?.[2]) };
    await until('the screen', see, (picture) => picture(1, 1) === POINTER.released);
  });
  after(async () => {
    for (const child of children.reverse()) await end(child);
  });

  it('moves the pointer of the guest, and presses its button', async () => {
    for (const [x, y] of WAY) {
      await until(`the pointer at ${x}, ${y}`, () => moveTo(x, y), pointsTo(x, y, POINTER.released));
    }
    xdotool('mousedown', '1');
    await until('a pressed button', see, pointsTo(...WAY[2], POINTER.pressed));
    xdotool('mouseup', '1');
    await until('a released button', see, pointsTo(...WAY[2], POINTER.released));
  });

  it('types into it', async () => {
    xdotool('type', '--delay', '50', TYPED);
    await until('the keys', see, hasKeys);
  });
});

/** Reads the frame buffer file of an X server, of 32 bits a pixel (XWDFile.h of the X Window System). */
function readXwd(file: Buffer, corner: { readonly x: number; readonly y: number }): Picture {
  const field = (n: number) => file.readUInt32BE(n * 4);
  const [headerBytes, bytesPerLine, colors] = [field(0), field(12), field(19)];
  const start = headerBytes + colors * 12;
  return (x, y) => file.readUInt32LE(start + (corner.y + y) * bytesPerLine + (corner.x + x) * 4) & 0xffffff;
}
