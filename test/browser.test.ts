import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadDefaultGuest } from '../src/cli/default-guest.ts';
import { readBootFile } from '../src/vm/boot-file.ts';
import { Chromium, findChromium } from './browser/chromium.ts';
import { GuestServer } from './browser/server.ts';

const TIMEOUT_MILLIS = 240_000;
const FIRST_LINE_OF_LINUX = /Linux version \d/;

const program = findChromium();
const kernel = await loadDefaultGuest('').then(
  (guest) => readBootFile(guest.kernel),
  () => undefined,
);

function reasonToSkip(): string | false {
  if (program === undefined) return 'there is no Chromium on this host';
  return kernel === undefined && 'no kernel can be had from Debian packages on this host';
}

/** Boots the kernel in the browser until it prints a line that fits, and answers with the line. */
async function bootInBrowser(isShared: boolean, wanted: RegExp): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const take = (line: string) => wanted.test(line) && resolve(line);
  const guest = {
    kernel: kernel ?? new Uint8Array(),
    commandLine: 'earlyprintk=serial,ttyS0,115200',
    memoryBytes: 128 * 2 ** 20,
  };
  const server = new GuestServer(guest, isShared, take, reject);
  const browser = new Chromium(program ?? '', await server.listen());
  const timer = setTimeout(reject, TIMEOUT_MILLIS, new Error('the guest printed no such line in time'));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    server.close();
    await browser.close();
  }
}

describe('Linux in a worker of Chromium', { skip: reasonToSkip() }, () => {
  for (const isShared of [true, false]) {
    it(`prints to its console, on ${isShared ? 'shared' : 'unshared'} memory`, async () => {
      assert.match(await bootInBrowser(isShared, FIRST_LINE_OF_LINUX), FIRST_LINE_OF_LINUX);
    });
  }
});
