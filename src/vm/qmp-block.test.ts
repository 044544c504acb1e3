import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeDrives } from '../boards/drives.ts';
import { HostWork } from '../machine/host-work.ts';
import type { BlockDevice } from '../machine/interfaces.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { Arguments } from './qmp-arguments.ts';
import { BLOCK_COMMANDS, type BlockTarget } from './qmp-block.ts';

function mediumOf(closed: string[], name: string): BlockDevice {
  return {
    sizeBytes: 1_474_560,
    readOnly: name.endsWith('.iso'),
    read: async () => {},
    write: async () => {},
    flush: async () => {},
    discard: async () => {},
    close: async () => void closed.push(name),
  };
}

function setUp() {
  const closed: string[] = [];
  const events: unknown[] = [];
  const drive = (kind: 'disk' | 'cdrom', name: string) =>
    ({ kind, bus: 'ide', name, medium: mediumOf(closed, name) }) as const;
  const work = new HostWork(new ManualClock(), 'arrival');
  const { bays, ideCables } = makeDrives([drive('disk', 'a.img'), drive('cdrom', 'c.iso')], work);
  const target: BlockTarget = {
    drives: { bays, between: async (action) => action() },
    openMedium: async (kind, name) => {
      if (name === 'missing') throw new Error('no such file');
      return { kind, bus: 'ide', name, medium: mediumOf(closed, name) };
    },
  };
  const session = { sendEvent: (event: string, data?: unknown) => void events.push([event, data]), atEnd: () => {} };
  const run = (name: keyof typeof BLOCK_COMMANDS, given: Record<string, unknown> = {}) =>
    BLOCK_COMMANDS[name].run(session, target, new Arguments(given));
  const inserted = (id: string) => bays.find((bay) => bay.id === id)?.inserted?.name;
  /** Sends the CD drive a packet of a guest. */
  const packet = (...bytes: readonly number[]) => {
    const cd = ideCables[1][0];
    cd?.execute(0xa0);
    cd?.transfer?.data.set(bytes);
    cd?.transferred();
  };
  return { closed, events, run, inserted, packet };
}

describe('block commands', () => {
  test('query-block tells all drives and what is in them', async () => {
    const { run } = setUp();
    const drives = (await run('query-block')) as Record<string, unknown>[];
    assert.deepEqual(
      drives.map(({ device, removable, tray_open }) => [device, removable, tray_open]),
      [
        ['ide0-hd0', false, undefined],
        ['ide1-cd0', true, false],
        ['floppy0', true, true],
      ],
    );
    const { file, ro, image } = drives[1].inserted as Record<string, Record<string, unknown>>;
    assert.deepEqual([file, ro, image['virtual-size']], ['c.iso', true, 1_474_560]);
    assert.equal(drives[2].inserted, undefined);
  });

  test('eject takes the medium out and gives up its file', async () => {
    const { run, inserted, closed, events } = setUp();
    await run('eject', { device: 'ide1-cd0' });
    assert.equal(inserted('ide1-cd0'), undefined);
    assert.deepEqual(closed, ['c.iso']);
    assert.deepEqual(events, [['DEVICE_TRAY_MOVED', { device: 'ide1-cd0', id: 'ide1-cd0', 'tray-open': true }]]);
  });

  test('a medium that the guest holds stays, unless force is used', async () => {
    const { run, inserted, packet, closed } = setUp();
    packet(0x1e, 0, 0, 0, 1);
    await assert.rejects(async () => run('eject', { id: 'ide1-cd0' }), /^Error: Device 'ide1-cd0' is locked and force/);
    const change = { id: 'ide1-cd0', filename: 'd.iso' };
    await assert.rejects(async () => run('blockdev-change-medium', change), /is locked/);
    assert.deepEqual([inserted('ide1-cd0'), closed], ['c.iso', ['d.iso']]);
    await run('eject', { id: 'ide1-cd0', force: true });
    assert.equal(inserted('ide1-cd0'), undefined);
  });

  test('blockdev-change-medium puts another medium in, also into an empty drive', async () => {
    const { run, inserted, closed, events } = setUp();
    await run('blockdev-change-medium', { device: 'ide1-cd0', filename: 'd.iso' });
    await run('blockdev-change-medium', { device: 'floppy0', filename: 'f.img', 'read-only-mode': 'read-only' });
    assert.deepEqual([inserted('ide1-cd0'), inserted('floppy0'), closed], ['d.iso', 'f.img', ['c.iso']]);
    assert.equal(events.length, 3);
  });

  test('what cannot be done is said in words, and changes nothing', async () => {
    const { run, inserted } = setUp();
    const wrong: [name: keyof typeof BLOCK_COMMANDS, given: Record<string, unknown>, message: RegExp][] = [
      ['eject', { device: 'nothing' }, /Device 'nothing' not found/],
      ['eject', { device: 'ide0-hd0' }, /Device 'ide0-hd0' is not removable/],
      ['eject', {}, /Parameter 'device' is missing/],
      ['blockdev-change-medium', { device: 'ide1-cd0', filename: 'missing' }, /no such file/],
    ];
    for (const [name, given, message] of wrong) await assert.rejects(async () => run(name, given), message);
    assert.equal(inserted('ide1-cd0'), 'c.iso');
  });
});
