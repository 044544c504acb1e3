import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Frame } from '../src/display/interfaces.ts';
import { freePort } from './guests/free-port.ts';
import { PAINTED, PAINTER_READY, POINTER, paintingGuest } from './guests/painting-guest.ts';
import { NoVnc } from './viewers/novnc.ts';
import { TigerVnc } from './viewers/tigervnc.ts';
import { colorAt, endProcess, startMachine, untilSeen, type Viewer } from './viewers/viewer.ts';

const TIMEOUT_SECONDS = 60;
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

const isWhole = ({ width, height }: Frame) => width === PAINTED.width && height === PAINTED.height;

/** Whether the guest's pointer is near a place, and nowhere else on the way. */
const pointsTo = (x: number, y: number, color: number) => (frame: Frame) => {
  const middle = POINTER.side / 2;
  const isThere = colorAt(frame, x + middle, y + middle) === color;
  const isClean = WAY.every(
    ([left, top]) => (left === x && top === y) || colorAt(frame, left + middle, top + middle) === 0,
  );
  const ends = [x - TOLERANCE - 1, x + POINTER.side + TOLERANCE].every(
    (column) => colorAt(frame, column, y + middle) === 0,
  );
  return isWhole(frame) && isThere && isClean && ends;
};

const hasKeys = (frame: Frame) => SCAN_CODES.every((code, n) => colorAt(frame, n, PAINTED.height - 1) === code);

const folder = mkdtempSync(join(tmpdir(), 'vitrine-viewers-'));
const kernel = join(folder, 'kernel');
writeFileSync(kernel, paintingGuest());
after(() => rmSync(folder, { recursive: true }));

const start = (display: string) =>
  startMachine(display, [kernel, '--memory', '32M', '--net', 'none', '--serial', 'stdio']);

/** @param open shows the screen of a machine that runs */
function tests(open: () => Promise<{ machine: ChildProcess; viewer: Viewer }>): void {
  let machine: ChildProcess;
  let viewer: Viewer;
  const until = (what: string, holds: (frame: Frame) => boolean, act?: () => Promise<void>) =>
    untilSeen(viewer, what, holds, TIMEOUT_SECONDS, act);

  before(async () => {
    ({ machine, viewer } = await open());
    await until('the screen', (frame) => isWhole(frame) && colorAt(frame, 1, 1) === POINTER.released);
  });
  after(async () => {
    await viewer?.close();
    await endProcess(machine);
  });

  it('moves the pointer of the guest, and presses its button', async () => {
    for (const [x, y] of WAY) {
      await until(`the pointer at ${x}, ${y}`, pointsTo(x, y, POINTER.released), () => viewer.moveTo(x, y));
    }
    await viewer.button(true);
    await until('a pressed button', pointsTo(...WAY[2], POINTER.pressed));
    await viewer.button(false);
    await until('a released button', pointsTo(...WAY[2], POINTER.released));
  });

  it('types into it', async () => {
    await viewer.type(TYPED);
    await until('the keys', hasKeys);
  });
}

describe('noVNC in Chromium', { skip: NoVnc.absent }, () => {
  tests(async () => {
    const machine = start('web');
    return { machine, viewer: await NoVnc.open(machine) };
  });
});

describe('TigerVNC', { skip: TigerVnc.absent }, () => {
  tests(async () => {
    const port = await freePort();
    const machine = start(`vnc:127.0.0.1:${port}`);
    assert.ok(machine.stdout);
    const [greeting] = await once(machine.stdout, 'data');
    assert.equal(String(greeting), PAINTER_READY);
    return { machine, viewer: await TigerVnc.open(port) };
  });
});
