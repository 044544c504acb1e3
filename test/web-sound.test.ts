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
const TIMEOUT_MILLIS = 180_000;
const POLL_MILLIS = 200;
const SAMPLES = 32_768;
const TOLERANCE_HZ = 2;
/** How much of the tone has to be whole once: a host that is busy for a while leaves pieces out, so as not to be late. */
const LEAST_SHARE = 0.9;
/** Samples that may be zero one after the other. */
const LONGEST_GAP = 8;
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

  /** What keeps a piece of sound from being both tones, each on its side; empty: nothing. */
  function faultIn(sides: readonly number[][], rateHz: number): string {
    if (silence(sides) > 0 || longestGap(sides[0]) >= LONGEST_GAP) return `a gap of ${longestGap(sides[0])} samples`;
    for (const [side, wanted] of [BLASTER_TONES.left, BLASTER_TONES.right].entries()) {
      const samples = Int16Array.from(sides[side], (sample) => sample * FULL_SCALE);
      const [frequency, share] = brokenFrequencyOf(samples, rateHz);
      if (Math.abs(frequency - wanted) >= TOLERANCE_HZ) return `${frequency} Hz in place of ${wanted}`;
      if (share <= LEAST_SHARE) return `only ${share} of ${wanted} Hz is whole`;
    }
    return '';
  }

  const heard = () => page.evaluate<number[][]>(HEARD);
  /** How much of what was heard last is silence, at its beginning. */
  const silence = ([samples = []]: readonly number[][]) => samples.findIndex((sample) => sample !== 0);

  it('is not played before somebody asks for it', async () => {
    assert.deepEqual(await heard(), []);
  });

  it("has both tones that the guest's card plays, in one piece", async () => {
    await page.click('#sound');
    const rateHz = () => page.evaluate<number>('globalThis.rateHz');
    let found = '';
    for (const end = Date.now() + TIMEOUT_MILLIS; Date.now() < end; await delay(POLL_MILLIS)) {
      const sides = await heard();
      found = sides.length < 2 ? `${sides.length} sides` : faultIn(sides, await rateHz());
      if (found === '') return;
    }
    assert.fail(found);
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
