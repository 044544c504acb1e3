import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { findChromium } from './browser/chromium.ts';
import { DrivenPage } from './browser/dev-tools.ts';
import { ac97Guest, BLASTER_TONES } from './sound/guests.ts';
import { brokenFrequencyOf } from './sound/wave.ts';
import { projectRoot } from './source-files.ts';

const program = findChromium();
const TIMEOUT_MILLIS = 60_000;
const POLL_MILLIS = 200;
const SAMPLES = 32_768;
const TOLERANCE_HZ = 2;
/** How much of the tone has to be whole: a busy host leaves pieces out, so as not to be late. */
const LEAST_SHARE = 0.9;
/** Full scale of samples of 16 bits, as tones are measured of them. */
const FULL_SCALE = 0x7fff;

/** Has the page keep what it plays: an analyser for each side stands before the speakers. */
const TAP = `(() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      const splitter = this.context.createChannelSplitter(2);
      connect.call(this, splitter);
      globalThis.heard = [0, 1].map((side) => {
        const analyser = new AnalyserNode(this.context, { fftSize: ${SAMPLES} });
        connect.call(splitter, analyser, side);
        return analyser;
      });
      globalThis.rateHz = this.context.sampleRate;
    }
    return connect.call(this, target, ...rest);
  };
})()`;
/** What was played last on both sides. */
const HEARD = `(globalThis.heard ?? []).map((analyser) => {
  const samples = new Float32Array(${SAMPLES});
  analyser.getFloatTimeDomainData(samples);
  return [...samples];
})`;

describe('sound of --display web in Chromium', { skip: program === undefined && 'there is no Chromium here' }, () => {
  let folder = '';
  let machine: ChildProcess;
  let page: DrivenPage;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vitrine-web-sound-'));
    const kernel = join(folder, 'kernel');
    await writeFile(kernel, ac97Guest(true));
    const args = ['run', kernel, '--memory', '32M', '--sound', 'ac97', '--display', 'web'];
    machine = spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    assert.ok(machine.stderr);
    let address = '';
    for await (const line of createInterface(machine.stderr)) {
      address = /http:\S+/.exec(line)?.[0] ?? '';
      if (address !== '') break;
    }
    page = await DrivenPage.open(program ?? '', address);
    while (!(await page.evaluate<boolean>(`document.querySelector('#state')?.value === 'connected'`)))
      await delay(POLL_MILLIS);
    await page.evaluate(TAP);
  });

  after(async () => {
    await page?.close();
    machine?.kill();
    if (machine) await once(machine, 'exit');
    await rm(folder, { recursive: true });
  });

  const heard = () => page.evaluate<number[][]>(HEARD);
  /** How much of what was heard last is silence, at its beginning. */
  const silence = ([samples = []]: number[][]) => samples.findIndex((sample) => sample !== 0);

  it('is not played before somebody asks for it', async () => {
    assert.deepEqual(await heard(), []);
  });

  it("has both tones that the guest's card plays, without a gap", async () => {
    await page.click('#sound');
    let sides: number[][] = [];
    const isWhole = () => sides.length === 2 && silence(sides) === 0 && longestGap(sides[0]) < 8;
    for (const end = Date.now() + TIMEOUT_MILLIS; Date.now() < end && !isWhole(); await delay(POLL_MILLIS)) {
      sides = await heard();
    }
    assert.ok(isWhole(), `${sides.length} sides, ${silence(sides)} silent samples, a gap of ${longestGap(sides[0])}`);
    const rateHz = await page.evaluate<number>('globalThis.rateHz');
    const [[left, leftShare], [right, rightShare]] = sides.map((side) => {
      return brokenFrequencyOf(
        Int16Array.from(side, (sample) => sample * FULL_SCALE),
        rateHz,
      );
    });
    assert.ok(Math.abs(left - BLASTER_TONES.left) < TOLERANCE_HZ, `${left} Hz on the left`);
    assert.ok(Math.abs(right - BLASTER_TONES.right) < TOLERANCE_HZ, `${right} Hz on the right`);
    assert.ok(Math.min(leftShare, rightShare) > LEAST_SHARE, `${leftShare} and ${rightShare} of it are whole`);
  });

  it('ends when it is turned off', async () => {
    await page.click('#sound');
    const states = `Promise.all(globalThis.heard.map(async ({ context }) => {
      for (let n = 0; n < 50 && context.state !== 'closed'; n++) await new Promise((done) => setTimeout(done, 100));
      return context.state;
    }))`;
    assert.deepEqual(await page.evaluate(states), ['closed', 'closed']);
  });
});

/** The longest run of samples that are zero. */
function longestGap(samples: readonly number[] = []): number {
  let [run, longest] = [0, 0];
  for (const sample of samples) {
    run = sample === 0 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}
