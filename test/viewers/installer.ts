// Debian's installer, text and graphical, in TigerVNC's viewer and in noVNC: `npm run guests:viewers`. Each installer boots once, to
// its first page; what viewers show goes on from there.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { treeSeconds } from '../../bench/processor-time.ts';
import type { Frame } from '../../src/display/interfaces.ts';
import { encodePng } from '../../src/display/pictures.ts';
import { consoleGlyphs, countColors, groundPercent, readGlyphs } from '../compatibility/glyphs.ts';
import { installerFiles } from '../compatibility/media.ts';
import { freePort } from '../guests/free-port.ts';
import { projectRoot } from '../source-files.ts';
import { HeadlessMachine } from './headless.ts';
import { NoVnc } from './novnc.ts';
import { TigerVnc } from './tigervnc.ts';
import { endProcess, startMachine, untilSeen, type Viewer } from './viewer.ts';

const BOOT_SECONDS = Number(process.env.VITRINE_INSTALLER_SECONDS ?? 900);
const REACTION_SECONDS = 120;
/** Text of the page at which the installer waits first, and of the one after it in German. */
const FIRST_PAGE = /Choose the language|Select a language/;
const GERMAN_PAGE = /Standort/;
/** What leads from English to German: newt's list goes to the next of a letter, GTK's to the first of a word. */
const GERMAN: Readonly<Record<Kind, string>> = { text: 'ggg', gtk: 'ger' };
const SETTLE_MILLIS = 5_000;
/** Behind its first page an installer that has just started goes on for a while: nobody would call it idle yet. */
const STARTED_MILLIS = 60_000;
const IDLE_SECONDS = 30;
/** What an idle screen may cost, in percent of a processor. */
const MOST_IDLE_PERCENT = 10;
/** The pointer is at most so large, and at most so far from where it was told to be. */
const POINTER_REACH = 40;
/** Above the installer's page, where a click does nothing. */
const POINTER_WAY = [
  [120, 35],
  [900, 45],
] as const;
const FEWEST_COLORS = 200;
const MOST_GROUND_PERCENT = 80;
/** Another page of the graphical installer differs in at least so many pixels. */
const PAGE_PIXELS = 10_000;
const RESULTS = join(projectRoot, 'test-results/viewers');

type Kind = 'text' | 'gtk';

/** How a viewer is opened, with the machine that it shows. */
interface Program {
  readonly name: string;
  readonly absent: string | false;
  start(options: readonly string[]): Promise<{ machine: ChildProcess; viewer: Viewer }>;
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'TigerVNC',
    absent: TigerVnc.absent,
    async start(options) {
      const port = await freePort();
      const machine = startMachine(`vnc:127.0.0.1:${port}`, options);
      await listens(port);
      return { machine, viewer: await TigerVnc.open(port) };
    },
  },
  {
    name: 'noVNC',
    absent: NoVnc.absent,
    async start(options) {
      const machine = startMachine('web', options);
      return { machine, viewer: await NoVnc.open(machine) };
    },
  },
];

/** Waits until something listens on a port. */
async function listens(port: number): Promise<void> {
  for (let n = 0; n < 300; n++, await delay(200)) if (await answers(port)) return;
  throw new Error('the machine does not listen');
}

function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1');
  socket.on('connect', () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

/** Options of a machine that starts an installer's kernel. Its own driver finds the frame buffer. */
async function optionsOf(kind: Kind, own: string): Promise<string[]> {
  const { kernel, initrd } = await installerFiles('amd64', kind);
  const files = { kernel: join(own, 'linux'), initrd: join(own, 'initrd.gz') };
  writeFileSync(files.kernel, kernel);
  writeFileSync(files.initrd, initrd);
  const media = ['--kernel', files.kernel, '--initrd', files.initrd, '--append', 'quiet'];
  return [...media, '--memory', '1G', '--net', 'user,model=e1000'];
}

/** How many pixels of two pictures differ, near a place or anywhere. */
function differences(a: Frame, b: Frame, isMeant: (x: number, y: number) => boolean = () => true): number {
  if (a.width !== b.width || a.height !== b.height) return a.pixels.length;
  return a.pixels.reduce((sum, pixel, i) => {
    const differs = pixel !== b.pixels[i] && isMeant(i % a.width, Math.floor(i / a.width));
    return sum + Number(differs);
  }, 0);
}

const isNear = (place: readonly [number, number]) => (x: number, y: number) =>
  Math.abs(x - place[0]) < POINTER_REACH && Math.abs(y - place[1]) < POINTER_REACH;

const glyphs = await consoleGlyphs();

/** Whether an installer shows a page: text that is read from the pixels, or a picture full of things. */
function isPage(frame: Frame, kind: Kind, text: RegExp): boolean {
  if (kind === 'text') return text.test(readGlyphs(frame, glyphs).join('\n'));
  return countColors(frame) >= FEWEST_COLORS && groundPercent(frame) <= MOST_GROUND_PERCENT;
}

/** A viewer that shows an installer. */
class Installation {
  readonly machine: ChildProcess;
  readonly viewer: Viewer;
  readonly #name: string;

  constructor(machine: ChildProcess, viewer: Viewer, name: string) {
    this.machine = machine;
    this.viewer = viewer;
    this.#name = name;
  }

  until(what: string, holds: (frame: Frame) => boolean): Promise<Frame> {
    return untilSeen(this.viewer, what, holds, REACTION_SECONDS);
  }

  async keep(page: string): Promise<void> {
    const frame = await this.viewer.see();
    if (frame) writeFileSync(join(RESULTS, `${this.#name}-${page}.png`), await encodePng(frame));
  }
}

/** Percent of a processor that processes, and all that they have started, take while nobody does anything. */
async function idlePercent(...pids: readonly (number | undefined)[]): Promise<number[]> {
  const read = () => pids.map((pid) => treeSeconds(pid ?? 0));
  const before = read();
  await delay(IDLE_SECONDS * 1000);
  return read().map((seconds, i) => ((seconds - before[i]) / IDLE_SECONDS) * 100);
}

function expectIdle(t: TestContext, what: string, [machine, viewer]: readonly number[]): void {
  const figures = [
    `machine ${machine.toFixed(1)} %`,
    ...(viewer === undefined ? [] : [`viewer ${viewer.toFixed(1)} %`]),
  ];
  t.diagnostic(`${what}: ${figures.join(', ')}, load ${loadavg()[0].toFixed(1)}`);
  assert.ok(machine < MOST_IDLE_PERCENT, figures.join());
}

/** @param snapshot of the installer at its first page */
function viewerTests(program: Program, kind: Kind, snapshot: string): void {
  let shown: Installation;

  before(async () => {
    const { machine, viewer } = await program.start(['--snapshot', snapshot]);
    shown = new Installation(machine, viewer, `${kind}-${program.name}`);
  });
  after(async () => {
    await shown?.viewer.close();
    if (shown) await endProcess(shown.machine);
  });

  it('shows the list of languages', async () => {
    await shown.until('the list of languages', (frame) => isPage(frame, kind, FIRST_PAGE));
    await shown.keep('languages');
  });

  it('costs little while nobody does anything', async (t: TestContext) => {
    await delay(SETTLE_MILLIS);
    const { machine, viewer } = shown;
    expectIdle(t, `${kind} installer in ${program.name}`, await idlePercent(machine.pid, viewer.pid));
  });

  if (kind === 'gtk') {
    it('moves the pointer', async () => {
      const [from, to] = POINTER_WAY;
      await shown.viewer.moveTo(...from);
      await delay(SETTLE_MILLIS);
      const before = await shown.until('the screen', () => true);
      await shown.viewer.moveTo(...to);
      const there = (frame: Frame) => differences(before, frame, isNear(to)) > 0;
      const after = await shown.until(`the pointer at ${to}`, there);
      await shown.keep('pointer');
      assert.ok(differences(before, after, isNear(from)) > 0, 'it is still where it was');
      const elsewhere = differences(before, after, (x, y) => !isNear(from)(x, y) && !isNear(to)(x, y));
      assert.equal(elsewhere, 0, 'something else has changed');
    });
  }

  it('types: another language is chosen by its letters, and its next page appears', async () => {
    const before = await shown.until('the screen', () => true);
    await shown.viewer.type(GERMAN[kind]);
    await shown.until('what is chosen', (frame) => differences(before, frame) > 0);
    await delay(SETTLE_MILLIS);
    await shown.keep('chosen');
    await shown.viewer.press('Enter');
    const isNext = (frame: Frame) =>
      kind === 'text' ? isPage(frame, kind, GERMAN_PAGE) : differences(before, frame) > PAGE_PIXELS;
    await shown.until('the next page', isNext);
    await delay(SETTLE_MILLIS);
    await shown.keep('location');
  });
}

mkdirSync(RESULTS, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), 'vitrine-installer-'));
after(() => rmSync(folder, { recursive: true }));

for (const kind of ['text', 'gtk'] as const) {
  describe(`the ${kind} installer`, () => {
    const own = join(folder, kind);
    const snapshot = join(own, 'snapshot');
    let machine: HeadlessMachine;

    before(async () => {
      mkdirSync(own);
      machine = await HeadlessMachine.start(own, await optionsOf(kind, own));
      await machine.until('the list of languages', (frame) => isPage(frame, kind, FIRST_PAGE), BOOT_SECONDS);
      await delay(STARTED_MILLIS);
    });

    it('costs little while nobody watches, and is saved', async (t: TestContext) => {
      const cost = await idlePercent(machine.process.pid);
      await machine.save(snapshot);
      await machine.end();
      expectIdle(t, `${kind} installer`, cost);
    });

    for (const program of PROGRAMS)
      describe(`in ${program.name}`, { skip: program.absent }, () => viewerTests(program, kind, snapshot));
  });
}
