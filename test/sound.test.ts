import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  ac97Guest,
  BLASTER_RATES,
  BLASTER_TONES,
  EXIT_PORT,
  SPEAKER_TONE_HZ,
  soundBlasterGuest,
  speakerGuest,
} from './sound/guests.ts';
import { frequencyOf, readWave, type Wave } from './sound/wave.ts';
import { projectRoot } from './source-files.ts';

/** The status that the guest's exit with 0 gives. */
const SUCCESS = 1;

/** Expects a tone. */
function near(samples: Int16Array, rateHz: number, expected: number): void {
  const found = frequencyOf(samples, rateHz);
  assert.ok(Math.abs(found - expected) < 2, `${found} Hz, not ${expected}`);
}

/** Looks for the two tones that stereo guests play, half a second of them. */
function checkStereo({ rateHz, left, right }: Wave, first: number): void {
  const part = [first, first + Math.floor(rateHz / 2)] as const;
  near(left.subarray(...part), rateHz, BLASTER_TONES.left);
  near(right.subarray(...part), rateHz, BLASTER_TONES.right);
}

/** Looks for the tones of the Sound Blaster guest. */
function checkBlaster(wave: Wave): void {
  const { rateHz, left, right } = wave;
  for (const side of [left, right]) near(side.subarray(0, Math.floor(rateHz / 2)), rateHz, BLASTER_TONES.mono);
  checkStereo(wave, Math.round(rateHz * ((6 * 4000) / BLASTER_RATES.mono)) + 2000);
}

describe('sound in a WAV file', { timeout: 60_000 }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vitrine-sound-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** Starts a machine whose sound goes to a file. */
  async function start(guest: Uint8Array, ...options: string[]) {
    const [kernel, wav] = [join(folder, 'kernel'), join(folder, 'sound.wav')];
    await writeFile(kernel, guest);
    const args = ['run', kernel, '--serial', 'none', '--memory', '32M', '--audio', `wav:${wav}`, ...options];
    return { child: spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), ...args]), wav };
  }

  it("has the speaker's tone, and is whole when the machine is ended by Ctrl-C", async () => {
    const { child, wav } = await start(speakerGuest());
    const lengthNow = async () => (await stat(wav).catch(() => undefined))?.size ?? 0;
    while ((await lengthNow()) < 100_000) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'close'), [130, null]);
    const { rateHz, left, right } = readWave(await readFile(wav));
    assert.ok(left.length >= rateHz / 2);
    assert.deepEqual(left, right);
    near(left, rateHz, SPEAKER_TONE_HZ);
  });

  it('has what a Sound Blaster 16 plays by DMA', async () => {
    const { child, wav } = await start(soundBlasterGuest(), '--sound', 'sb16', '--debug-exit', `${EXIT_PORT}`);
    assert.deepEqual(await once(child, 'close'), [SUCCESS, null]);
    checkBlaster(readWave(await readFile(wav)));
  });

  it("has what an AC'97 card plays from memory", async () => {
    const { child, wav } = await start(ac97Guest(), '--sound', 'ac97', '--debug-exit', `${EXIT_PORT}`);
    assert.deepEqual(await once(child, 'close'), [SUCCESS, null]);
    checkStereo(readWave(await readFile(wav)), 0);
  });

  const peers: [device: string, guest: () => Uint8Array, check: (wave: Wave) => void][] = [
    ['sb16', soundBlasterGuest, checkBlaster],
    ['AC97', ac97Guest, (wave) => checkStereo(wave, 0)],
  ];
  for (const [device, guest, check] of peers) {
    it(`has the same sound of ${device} under QEMU`, async (t) => {
      if (spawnSync('qemu-system-x86_64', ['--version']).status !== 0) return t.skip('no qemu-system-x86_64 here');
      const [kernel, wav] = [join(folder, 'kernel'), join(folder, 'qemu.wav')];
      await writeFile(kernel, guest());
      const machine = ['-machine', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-kernel', kernel];
      const sound = ['-audiodev', `wav,id=wav,path=${wav}`, '-device', `${device},audiodev=wav`];
      const exit = ['-device', `isa-debug-exit,iobase=${EXIT_PORT},iosize=4`];
      const run = spawnSync('qemu-system-x86_64', [...machine, ...sound, ...exit], { timeout: 30_000 });
      assert.equal(run.status, SUCCESS, String(run.stderr));
      check(readWave(await readFile(wav)));
    });
  }
});
