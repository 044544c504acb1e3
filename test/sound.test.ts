import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { multibootKernel } from './guests/multiboot.ts';
import { frequencyOf, readWave } from './sound/wave.ts';
import { projectRoot } from './source-files.ts';

const TIMER_HZ = 1_193_182;
const TONE_HZ = 440;

/** Plays a tone on the PC's speaker for ever. */
const BEEPS = `
  mov al, 0xb6
  out 0x43, al
  mov al, ${Math.round(TIMER_HZ / TONE_HZ) & 0xff}
  out 0x42, al
  mov al, ${Math.round(TIMER_HZ / TONE_HZ) >> 8}
  out 0x42, al
  in al, 0x61
  or al, 3
  out 0x61, al
stay: jmp stay`;

describe('sound in a WAV file', { timeout: 60_000 }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vitrine-sound-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** Starts a machine whose sound goes to a file. */
  async function start(source: string, ...options: string[]) {
    const [kernel, wav] = [join(folder, 'kernel'), join(folder, 'sound.wav')];
    await writeFile(kernel, multibootKernel(source));
    const args = ['run', kernel, '--serial', 'none', '--memory', '32M', '--audio', `wav:${wav}`, ...options];
    return { child: spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), ...args]), wav };
  }

  it("has the speaker's tone, and is whole when the machine is ended by Ctrl-C", async () => {
    const { child, wav } = await start(BEEPS);
    const isLong = async () => (await stat(wav).catch(() => undefined))?.size ?? 0;
    while ((await isLong()) < 100_000) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'close'), [130, null]);
    const { rateHz, left, right } = readWave(await readFile(wav));
    assert.ok(left.length >= rateHz / 2);
    assert.deepEqual(left, right);
    assert.ok(Math.abs(frequencyOf(left, rateHz) - TONE_HZ) < 1, `${frequencyOf(left, rateHz)} Hz`);
  });
});
