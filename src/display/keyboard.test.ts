import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scanCodeBytes, set1Of } from '../devices/i8042/scan-codes.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { KeyPlayer } from './key-player.ts';
import { keyByName, keyByNumber } from './keys.ts';
import { keysymsOf } from './keysyms.ts';
import { charactersOf, LAYOUT_NAMES } from './layouts.ts';

const NUMBERS = Array.from({ length: 256 }, (_, number) => number);

describe('the table of keys', () => {
  it('has set 2 codes that the controller translates to the numbers', () => {
    for (const key of NUMBERS.flatMap((number) => keyByNumber(number) ?? [])) {
      if (key.name === 'pause' || key.name === 'print') continue;
      const bytes = scanCodeBytes(2, key.set2, true);
      const translated = set1Of(bytes.at(-1) ?? 0, false) | (bytes.length === 2 ? 0x80 : 0);
      assert.equal(translated, key.number, key.name);
    }
  });

  it('knows QEMU names and their aliases', () => {
    assert.equal(keyByName('ret')?.evdev, 28);
    assert.equal(keyByName('sysrq'), keyByName('print'));
    assert.equal(keyByName('nonsense'), undefined);
  });
});

describe('layouts', () => {
  it('type every printable character of ASCII', () => {
    for (const layout of LAYOUT_NAMES) {
      const characters = charactersOf(layout);
      for (let code = 0x20; code < 0x7f; code++)
        assert.ok(characters.has(String.fromCharCode(code)), `${layout} ${code}`);
    }
  });

  it('have characters where their keyboards have them', () => {
    const names = (layout: 'us' | 'de', character: string) =>
      charactersOf(layout)
        .get(character)
        ?.map((stroke) => stroke.map(({ name }) => name).join('+'))
        .join(' ');
    assert.equal(names('us', '@'), 'shift+2');
    assert.equal(names('us', 'z'), 'z');
    assert.equal(names('de', 'z'), 'y');
    assert.equal(names('de', '@'), 'alt_r+q');
    assert.equal(names('de', '^'), 'grave_accent spc');
    assert.equal(names('de', '|'), 'alt_r+less');
    assert.equal(names('de', '~'), 'alt_r+bracket_right');
    assert.equal(names('de', '\\'), 'alt_r+minus');
    assert.equal(keysymsOf('de').get(0x5a + 0x20)?.name, 'y');
  });
});

describe('KeyPlayer', () => {
  it('holds keys together and types one after the other, in guest time', async () => {
    const [clock, log] = [new ManualClock(), [] as string[]];
    const player = new KeyPlayer(
      { key: ({ name }, down) => log.push(`${clock.nowNanos() / 1_000_000n}${down ? '+' : '-'}${name}`) },
      clock,
    );
    assert.equal(player.type('aB☃', 'us'), '☃');
    const done = player.whenDone();
    clock.advanceTo(1_000_000_000n);
    await done;
    assert.deepEqual(log, ['0+a', '15-a', '30+shift', '30+b', '45-b', '45-shift']);
    log.length = 0;
    player.press(
      [keyByName('ctrl'), keyByName('c')].flatMap((key) => key ?? []),
      500_000_000n,
    );
    clock.advanceTo(2_000_000_000n);
    assert.deepEqual(log, ['1000+ctrl', '1000+c', '1500-c', '1500-ctrl']);
  });
});
