/** Measures the page of `--display web` in Chromium: frames a second of a full-screen animation, and what a screen that stands still costs. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findChromium } from '../test/browser/chromium.ts';
import { DrivenPage } from '../test/browser/dev-tools.ts';
import { multibootKernel } from '../test/guests/multiboot.ts';
import { ANIMATION } from './animation.ts';
import { processorSeconds } from './processor-time.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/vitrine', import.meta.url));
/** Counts how often the page's first and last pixel changed together in so many milliseconds. */
const countFrames = (millis: number) => `new Promise((done) => {
  const canvas = document.querySelector('#screen canvas');
  const context = canvas.getContext('2d');
  const end = performance.now() + ${millis};
  let [frames, looks, last] = [0, 0, ''];
  const look = () => {
    looks++;
    const now = [[0, 0], [canvas.width - 1, canvas.height - 1]]
      .map(([x, y]) => context.getImageData(x, y, 1, 1).data.join()).join();
    if (now !== last) frames++;
    last = now;
    if (performance.now() < end) requestAnimationFrame(look);
    else done({ frames, looks, size: canvas.width + 'x' + canvas.height });
  };
  look();
})`;

/** A machine that a page shows. */
class Shown {
  readonly machine: ChildProcess;
  readonly page: DrivenPage;

  private constructor(machine: ChildProcess, page: DrivenPage) {
    this.machine = machine;
    this.page = page;
  }

  static async start(program: string, args: readonly string[]): Promise<Shown> {
    const machine = spawn(process.execPath, [LAUNCHER, 'run', '--display', 'web', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (!machine.stderr) throw new Error('the machine says nothing');
    let address = '';
    for await (const line of createInterface(machine.stderr)) {
      address = /http:\S+/.exec(line)?.[0] ?? '';
      if (address !== '') break;
    }
    return new Shown(machine, await DrivenPage.open(program, address));
  }

  /** Seconds of processor time that the machine takes while something happens. */
  async costOf<Result>(action: () => Promise<Result>): Promise<readonly [seconds: number, result: Result]> {
    const before = processorSeconds(this.machine.pid ?? 0);
    const result = await action();
    return [processorSeconds(this.machine.pid ?? 0) - before, result];
  }

  async close(): Promise<void> {
    await this.page.close();
    this.machine.kill();
    await once(this.machine, 'exit');
  }
}

async function measureAnimation(program: string, folder: string, seconds: number): Promise<void> {
  const kernel = join(folder, 'animation');
  writeFileSync(kernel, multibootKernel(ANIMATION));
  const shown = await Shown.start(program, [kernel, '--memory', '32M', '--net', 'none']);
  try {
    await sleep(5000);
    const [used, { frames, looks, size }] = await shown.costOf(() =>
      shown.page.evaluate<{ frames: number; looks: number; size: string }>(countFrames(seconds * 1000)),
    );
    const rate = (frames / seconds).toFixed(1);
    const cost = ((used / seconds) * 100).toFixed(0);
    console.log(
      `animation ${size}: ${rate} frames/s shown, machine ${cost} % of a core, page drawn ${(looks / seconds).toFixed(0)} times/s, load ${loadavg()[0]?.toFixed(1)}`,
    );
  } finally {
    await shown.close();
  }
}

/** @param settleSeconds how long the guest takes to get to where it waits */
async function measureIdle(program: string, args: string[], settleSeconds: number, seconds: number): Promise<void> {
  const shown = await Shown.start(program, args);
  try {
    await sleep(settleSeconds * 1000);
    const [used] = await shown.costOf(() => sleep(seconds * 1000));
    if (values.screenshot !== undefined) writeFileSync(values.screenshot, await shown.page.screenshot());
    const cost = ((used / seconds) * 100).toFixed(1);
    console.log(`idle screen: ${cost} % of a core, load ${loadavg()[0]?.toFixed(1)}`);
  } finally {
    await shown.close();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    settle: { type: 'string', default: '60' },
    screenshot: { type: 'string' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const program = findChromium();
if (values.help) {
  console.log(`npm run bench:screen [-- OPTIONS] [-- MACHINE OPTIONS]

  --seconds N   how long each measurement takes (default 20)
  --settle N    how long an idle guest gets to start (default 60)
  --only WORD   animation or idle
  --screenshot FILE   the page that shows the idle guest, as PNG
  MACHINE OPTIONS: of the machine that stands still, as of vitrine run; default: the default guest`);
} else if (program === undefined) {
  console.error('there is no Chromium on this host');
  process.exitCode = 1;
} else {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-screen-bench-'));
  try {
    const seconds = Number(values.seconds);
    if (values.only !== 'idle') await measureAnimation(program, folder, seconds);
    if (values.only !== 'animation') await measureIdle(program, positionals, Number(values.settle), seconds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
