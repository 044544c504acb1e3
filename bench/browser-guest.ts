// A child process with one guest under Vitrine in a worker of Chromium. Gets a BootOrder in JSON as its argument, sends a
// ConsoleLine for each line of the guest's console, and ends with the guest.
import { readFileSync } from 'node:fs';
import { Chromium, findChromium } from '../test/browser/chromium.ts';
import { GuestServer } from '../test/browser/server.ts';
import { type BootOrder, nowMillis } from './boot.ts';
import { LAST_LINE } from './measure.ts';

const order: BootOrder = JSON.parse(process.argv[2] ?? '');
const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
const guest = { ...order, kernel: readFileSync(order.kernel), initrd: readFileSync(order.initrd) };
const server = new GuestServer(guest, true, takeLine, reject);
const browser = new Chromium(findChromium() ?? '', await server.listen());

function takeLine(text: string): void {
  process.send?.({ text, atMillis: nowMillis() });
  if (text === LAST_LINE) resolve();
}

try {
  await ended;
} finally {
  server.close();
  await browser.close();
  process.disconnect?.();
}
