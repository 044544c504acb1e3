import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { PcMachine } from '../src/boards/pc-machine.ts';
import { Screen } from '../src/display/screen.ts';
import { consoleGlyphs, readGlyphs } from './compatibility/glyphs.ts';
import { makeTestMachine, type TestMachine } from './guests/machine.ts';
import { moduleBoot } from './guests/module-boot.ts';
import { LOAD_MODULES } from './guests/modules.ts';

const MODULES = ['virtio_pci', 'virtio_gpu'];
const LIMIT = 20e9;
const STEP = 20_000_000;
const WIDTH = 1024;
const HEIGHT = 768;
/** Lines of the screen that the guest fills with a colour, in the frame buffer's own words. */
const [FIRST_LINE, LINES] = [384, 64];
const STRIPE = '\\x30\\x20\\x10\\x7f';
const STRIPE_PIXEL = 0xff302010;

/** What the guest does; each word on the serial line is where the test looks. */
const SCRIPT = `
sleep 1
echo text-mode
${LOAD_MODULES}
n=0; while [ ! -e /dev/fb0 ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
echo "fb: $(cat /proc/fb) $(cat /sys/class/graphics/fb0/virtual_size)"
echo "modes: $(tr '\\n' ' ' < /sys/class/drm/card0-Virtual-1/modes)"
echo "edid: $(wc -c < /sys/class/drm/card0-Virtual-1/edid)"
printf '\\033[2J\\033[HThe guest writes on its GPU\\n\\033[31mred\\033[0m' > /dev/tty0
sleep 1
echo console-shown; sleep 1
yes "$(printf '${STRIPE}')" | tr -d '\\n' | head -c ${WIDTH * 4 * LINES} > /tmp/stripe
dd if=/tmp/stripe of=/dev/fb0 bs=${LINES * WIDTH * 4} seek=${FIRST_LINE / LINES} conv=notrunc 2>/dev/null
sleep 1
echo picture-shown; sleep 1
echo 4 > /sys/class/graphics/fb0/blank
sleep 1
echo screen-off; sleep 1
echo 0 > /sys/class/graphics/fb0/blank
sleep 1
echo screen-on
`;

/** Runs until the guest has written a word in a line of its own. */
async function until({ machine, serial }: TestMachine, word: string): Promise<void> {
  while (!new RegExp(`^${word}\\r?$`, 'm').test(serial.output)) {
    const exit = machine.run(STEP);
    const asleep = exit.kind === 'halted' && !machine.awake && !machine.skipIdle();
    assert.ok(!asleep && machine.ended === undefined && machine.retired < LIMIT, `no ${word}: ${serial.output}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function frameOf(machine: PcMachine) {
  const screen = new Screen(machine.display);
  screen.refresh();
  return screen.frame;
}

describe('Linux with a virtio GPU', { timeout: 600_000 }, () => {
  const options = { memoryBytes: 256 << 20, vga: 'virtio', jit: { hotAfter: 1000 } } as const;
  let missing: string | undefined;
  let guest: TestMachine;
  let boot: { kernel: Uint8Array; initrd: Uint8Array; commandLine: string };
  let glyphs: Awaited<ReturnType<typeof consoleGlyphs>>;

  before(async () => {
    const parts = await Promise.all([moduleBoot(MODULES, SCRIPT), consoleGlyphs()]).catch((error: Error) => {
      missing = error.message;
    });
    if (!parts) return;
    glyphs = parts[1];
    boot = { ...parts[0], commandLine: 'console=tty0 console=ttyS0 quiet' };
    guest = makeTestMachine({ ...options, boot });
  });

  function check(what: string, body: () => Promise<void>): void {
    it(what, async (t) => {
      if (missing === undefined) await body();
      else t.skip(`no such guest here: ${missing.split('\n')[0]}`);
    });
  }

  const said = (word: string) => new RegExp(`^${word}: (.*?) *\\r?$`, 'm').exec(guest.serial.output)?.[1];

  check('begins on the VGA', async () => {
    await until(guest, 'text-mode');
    const { width, height } = frameOf(guest.machine);
    assert.deepEqual([width, height], [720, 400]);
  });

  check('goes on with its console on the GPU, in the mode that the EDID prefers', async () => {
    await until(guest, 'console-shown');
    assert.equal(said('fb'), `0 virtio_gpudrmfb ${WIDTH},${HEIGHT}`);
    assert.match(said('modes') ?? '', /^1024x768 .*1920x1200/);
    assert.equal(said('edid'), '128');
    const frame = frameOf(guest.machine);
    assert.deepEqual([frame.width, frame.height], [WIDTH, HEIGHT]);
    const [first, second] = readGlyphs(frame, glyphs);
    assert.equal(first, 'The guest writes on its GPU');
    assert.equal(second, 'red');
    assert.ok(frame.pixels.includes(0xff0000aa), 'the red of the console');
  });

  check('shows what is written into the frame buffer', async () => {
    await until(guest, 'picture-shown');
    const { pixels } = frameOf(guest.machine);
    const stripe = pixels.subarray(FIRST_LINE * WIDTH, (FIRST_LINE + LINES) * WIDTH);
    assert.ok(
      stripe.every((pixel) => pixel === STRIPE_PIXEL),
      stripe[0].toString(16),
    );
    assert.notEqual(pixels[(FIRST_LINE + LINES) * WIDTH], STRIPE_PIXEL);
  });

  check('has the same picture in a machine that goes on from a saved one', async () => {
    const { pixels } = frameOf(guest.machine);
    const other = makeTestMachine({ ...options, boot });
    other.machine.restore(guest.machine.save());
    assert.deepEqual(frameOf(other.machine).pixels, pixels);
    await until(other, 'screen-on');
    assert.equal(readGlyphs(frameOf(other.machine), glyphs)[0], 'The guest writes on its GPU');
  });

  check('turns the screen off and on again', async () => {
    await until(guest, 'screen-off');
    assert.ok(frameOf(guest.machine).pixels.every((pixel) => pixel === 0xff000000));
    await until(guest, 'screen-on');
    assert.equal(readGlyphs(frameOf(guest.machine), glyphs)[0], 'The guest writes on its GPU');
  });
});
