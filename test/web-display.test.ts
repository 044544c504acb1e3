import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loadDefaultGuest } from '../src/cli/default-guest.ts';
import { findChromium } from './browser/chromium.ts';
import { DrivenPage } from './browser/dev-tools.ts';
import { projectRoot } from './source-files.ts';

const TIMEOUT_MILLIS = 240_000;
const POLL_MILLIS = 500;

const program = findChromium();
const guest = await loadDefaultGuest('').catch(() => undefined);

function reasonToSkip(): string | false {
  if (program === undefined) return 'there is no Chromium on this host';
  return guest === undefined && 'no guest can be made of Debian packages on this host';
}

/** How many pixels of the screen are lit: all but none before the guest writes, more with every line of text. */
const LIT_PIXELS = `(() => {
  const canvas = document.querySelector('#screen canvas');
  if (!canvas || canvas.width === 0) return 0;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let lit = 0;
  for (let i = 0; i < data.length; i += 4) if (data[i] + data[i + 1] + data[i + 2] > 96) lit++;
  return lit;
})()`;
const SERIAL_TEXT = `document.querySelector('#serial0 .xterm-rows')?.textContent ?? ''`;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + TIMEOUT_MILLIS; Date.now() < deadline; await delay(POLL_MILLIS)) {
    if (await holds()) return;
  }
  assert.fail(`in vain waited for ${what}`);
}

describe('--display web in Chromium', { skip: reasonToSkip() }, () => {
  let machine: ChildProcess;
  let address = '';
  let page: DrivenPage;

  before(async () => {
    machine = spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), 'run', '--display', 'web'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    assert.ok(machine.stderr);
    for await (const line of createInterface(machine.stderr)) {
      address = /http:\S+/.exec(line)?.[0] ?? '';
      if (address !== '') break;
    }
    page = await DrivenPage.open(program ?? '', address);
  });

  after(async () => {
    await page?.close();
    machine.kill();
    await once(machine, 'exit');
  });

  it('shows the text screen of the guest', async () => {
    await until('text on the screen', async () => (await page.evaluate<number>(LIT_PIXELS)) > 5_000);
    const size = await page.evaluate(
      `(({ width, height }) => width + 'x' + height)(document.querySelector('#screen canvas'))`,
    );
    assert.equal(size, '720x400');
  });

  it('shows the serial console, where one can type', async () => {
    await page.evaluate(`document.querySelector('[data-view=serial0]').click()`);
    const has = async (text: string) => (await page.evaluate<string>(SERIAL_TEXT)).includes(text);
    await until('the prompt', () => has('vitrine:/root#'));
    for (const key of 'uname') await page.press(`Key${key.toUpperCase()}`, key, key);
    await page.press('Enter', 'Enter', '\r');
    await until('the answer', () => has('Linux'));
  });

  it('takes keys into the guest', async () => {
    await page.evaluate(`document.querySelector('[data-view=screen]').click()`);
    const before = await page.evaluate<number>(LIT_PIXELS);
    for (let n = 0; n < 3; n++) await page.press('KeyM', 'm', 'm');
    await until('what was typed', async () => (await page.evaluate<number>(LIT_PIXELS)) >= before + 40);
  });

  it('serves nobody who does not know the token, or comes from another page', async () => {
    const { origin } = new URL(address);
    const status = async (url: string, headers = {}) => (await fetch(url, { headers })).status;
    assert.equal(await status(address), 200);
    assert.equal(await status(`${origin}/`), 403);
    assert.equal(await status(`${origin}/guess/`), 403);
    assert.equal(await status(address, { Origin: 'http://other.example' }), 403);
    assert.equal(await status(`${address}novnc/core/nothing.js`), 404);
  });
});
