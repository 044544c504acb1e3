import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VgaBench } from './test-vga.case.ts';

const WINDOW = 0xa0000;

/** Planes as plain memory: no chaining, 64 KiB at A0000h. */
function planar(): VgaBench {
  const bench = new VgaBench();
  bench.mode(18);
  return bench;
}

/** The bytes of all four planes at an offset. */
function planes(bench: VgaBench, offset: number): number[] {
  return [0, 1, 2, 3].map((plane) => {
    bench.set(0x3ce, 4, plane);
    return bench.peek(WINDOW + offset);
  });
}

describe('the write modes of a VGA', () => {
  it('mode 0 writes the planes of the map mask, rotated', () => {
    const bench = planar();
    bench.set(0x3c4, 2, 0x05);
    bench.set(0x3ce, 3, 1);
    bench.poke(WINDOW + 7, 0x81);
    assert.deepEqual(planes(bench, 7), [0xc0, 0, 0xc0, 0]);
  });

  it('mode 0 takes set/reset for the planes that have it enabled, and keeps what the bit mask leaves out', () => {
    const bench = planar();
    bench.poke(WINDOW, 0xff);
    bench.peek(WINDOW);
    bench.set(0x3ce, 0, 0x01);
    bench.set(0x3ce, 1, 0x03);
    bench.set(0x3ce, 8, 0x0f);
    bench.poke(WINDOW, 0x55);
    assert.deepEqual(planes(bench, 0), [0xff, 0xf0, 0xf5, 0xf5]);
  });

  for (const [name, fn, result] of [
    ['AND', 1, 0x0c & 0x0a],
    ['OR', 2, 0x0c | 0x0a],
    ['XOR', 3, 0x0c ^ 0x0a],
  ] as const) {
    it(`${name} combines with the latches`, () => {
      const bench = planar();
      bench.poke(WINDOW, 0x0c);
      bench.peek(WINDOW);
      bench.set(0x3ce, 3, fn << 3);
      bench.poke(WINDOW, 0x0a);
      assert.deepEqual(planes(bench, 0), [result, result, result, result]);
    });
  }

  it('mode 1 copies the latches', () => {
    const bench = planar();
    for (const plane of [0, 1, 2, 3]) {
      bench.set(0x3c4, 2, 1 << plane);
      bench.poke(WINDOW + 1, 0x10 + plane);
    }
    bench.set(0x3c4, 2, 0x0f);
    bench.peek(WINDOW + 1);
    bench.set(0x3ce, 5, 1);
    bench.poke(WINDOW + 2, 0xee);
    assert.deepEqual(planes(bench, 2), [0x10, 0x11, 0x12, 0x13]);
  });

  it('mode 2 fills with a colour', () => {
    const bench = planar();
    bench.set(0x3ce, 5, 2);
    bench.set(0x3ce, 8, 0x3c);
    bench.poke(WINDOW, 0x0a);
    assert.deepEqual(planes(bench, 0), [0, 0x3c, 0, 0x3c]);
  });

  it('mode 3 takes the byte for a mask of the set/reset colour', () => {
    const bench = planar();
    bench.set(0x3ce, 0, 0x06);
    bench.set(0x3ce, 8, 0x7f);
    bench.set(0x3ce, 5, 3);
    bench.poke(WINDOW, 0xc1);
    assert.deepEqual(planes(bench, 0), [0, 0x41, 0x41, 0]);
  });
});

describe('the memory of a VGA', () => {
  it('read mode 1 finds the pixels of a colour, but for the planes not cared about', () => {
    const bench = planar();
    bench.set(0x3c4, 2, 0x01);
    bench.poke(WINDOW, 0xf0);
    bench.set(0x3c4, 2, 0x02);
    bench.poke(WINDOW, 0xcc);
    bench.set(0x3ce, 5, 0x08);
    bench.set(0x3ce, 2, 0x03);
    assert.equal(bench.peek(WINDOW), 0xc0);
    bench.set(0x3ce, 7, 0x02);
    assert.equal(bench.peek(WINDOW), 0xcc);
  });

  it('is chained by fours: the address chooses the plane', () => {
    const bench = new VgaBench();
    bench.mode(19);
    bench.poke(WINDOW + 8, 0x44332211, 4);
    assert.equal(bench.peek(WINDOW + 8, 4), 0x44332211);
    bench.set(0x3c4, 4, 0x06);
    bench.set(0x3ce, 5, 0);
    assert.deepEqual(planes(bench, 8), [0x11, 0x22, 0x33, 0x44]);
  });

  it('shows where the memory map says, and nowhere with the RAM disabled', () => {
    const bench = planar();
    bench.set(0x3ce, 6, 0x0d);
    bench.poke(0xb8000, 0x77);
    assert.equal(bench.peek(0xb8000), 0x77);
    assert.equal(bench.peek(WINDOW), 0xff);
    assert.equal(bench.peek(0xb7fff), 0xff);
    bench.out(0x3c2, 0x01);
    assert.equal(bench.peek(0xb8000), 0xff);
  });

  it('a Bochs mode has banks of linear memory at A0000h', () => {
    const bench = new VgaBench();
    bench.bochsMode(640, 480, 8);
    bench.dispi(5, 3);
    bench.poke(WINDOW + 0x10, 0xbeef, 2);
    assert.equal(bench.memory.bytes()[0x30010], 0xef);
    assert.equal(bench.peek(WINDOW + 0x11), 0xbe);
    assert.equal(bench.peek(0xb8000), 0xff);
  });

  it('notes which pages are written', () => {
    const bench = planar();
    bench.vga.takeDirty();
    bench.poke(WINDOW + 0x1000, 1);
    const dirty = bench.vga.takeDirty();
    assert.deepEqual([dirty.indexOf(1), dirty.filter(Boolean).length], [4, 1]);
    assert.equal(bench.vga.takeDirty().indexOf(1), -1);
  });
});

describe('the registers of a VGA', () => {
  it('protect the horizontal timing but not the line compare', () => {
    const bench = planar();
    bench.set(0x3d4, 0x11, 0x80);
    bench.set(0x3d4, 0x00, 0x12);
    bench.set(0x3d4, 0x07, 0x10);
    assert.equal(bench.get(0x3d4, 0), 0x5f);
    assert.equal(bench.get(0x3d4, 7), 0x3e);
    bench.set(0x3d4, 0x07, 0x00);
    assert.equal(bench.get(0x3d4, 7), 0x2e);
  });

  it('move to the monochrome addresses', () => {
    const bench = planar();
    bench.out(0x3c2, 0x62);
    assert.equal(bench.in(0x3d4), 0xff);
    assert.equal(bench.get(0x3b4, 1), 0x4f);
  });

  it('take index and data of the attribute controller by turns, from the status on', () => {
    const bench = planar();
    bench.out(0x3c0, 0x10);
    bench.in(0x3da);
    bench.out(0x3c0, 0x11);
    bench.out(0x3c0, 0x2a);
    bench.out(0x3c0, 0x11);
    assert.equal(bench.in(0x3c1), 0x2a);
  });

  it('read colours back in threes, and change them with the third component', () => {
    const bench = planar();
    bench.color(5, 1, 2, 0xff);
    bench.out(0x3c8, 6);
    bench.out(0x3c9, 9);
    bench.out(0x3c7, 5);
    assert.deepEqual(
      [0, 0, 0, 0].map(() => bench.in(0x3c9)),
      [1, 2, 0x3f, 0],
    );
  });

  it('tell the retrace by the clock: sixty or seventy times a second', () => {
    for (const [mode, hertz] of [
      [18, 59.94],
      [19, 70.08],
    ] as const) {
      const bench = new VgaBench();
      bench.mode(mode);
      let [retraces, before, shown] = [0, 0, 0];
      for (let at = 0n; at < 1_000_000_000n; at += 20_000n) {
        bench.clock.advanceTo(at);
        const status = bench.in(0x3da);
        if (status & 8 && !before) retraces++;
        before = status & 8;
        if (!(status & 1)) shown++;
      }
      assert.ok(Math.abs(retraces - hertz) <= 1, `${retraces}`);
      assert.ok(shown > 30_000 && shown < 45_000, `${shown}`);
    }
  });
});

describe('the Bochs interface', () => {
  it('tells its version, memory and limits', () => {
    const bench = new VgaBench();
    assert.equal(bench.dispi(0), 0xb0c5);
    assert.equal(bench.dispi(10), 256);
    bench.dispi(4, 2);
    assert.deepEqual([bench.dispi(1), bench.dispi(2), bench.dispi(3)], [2560, 1600, 32]);
  });

  it('is not there for accesses that are not 16 bits wide', () => {
    const { vga } = new VgaBench();
    vga.dispiIndex.write(0, 2, 10);
    vga.dispiIndex.write(0, 1, 4);
    vga.dispiIndex.write(1, 1, 4);
    assert.equal(vga.dispiData.read(0, 2), 256);
    assert.deepEqual(
      [0, 1].map((offset) => [vga.dispiIndex.read(offset, 1), vga.dispiData.read(offset, 1)]),
      [
        [0xff, 0xff],
        [0xff, 0xff],
      ],
    );
  });

  it('refuses modes that there is no memory for', () => {
    const bench = new VgaBench();
    bench.bochsMode(2560, 1600, 32);
    bench.dispi(1, 2560);
    assert.equal(bench.vga.scanout().kind, 'linear');
    const small = bench.dispi(7);
    assert.equal(small, 1638);
    bench.dispi(9, 39);
    assert.equal(bench.dispi(9), 0);
    bench.dispi(9, 38);
    assert.equal(bench.dispi(9), 38);
  });

  it('scrolls in a virtual screen', () => {
    const bench = new VgaBench();
    bench.bochsMode(800, 600, 16);
    bench.dispi(6, 1024);
    bench.dispi(8, 16);
    bench.dispi(9, 100);
    const scanout = bench.vga.scanout();
    assert.ok(scanout.kind === 'linear');
    assert.deepEqual([scanout.pitch, scanout.offset, scanout.format], [2048, 2048 * 100 + 32, 'r5g6b5']);
  });

  it('starts at the beginning again when longer lines would push the picture out of the memory', () => {
    const bench = new VgaBench();
    bench.bochsMode(64, 64, 32);
    bench.dispi(9, 0xffc0);
    bench.dispi(6, 128);
    assert.deepEqual([bench.dispi(6), bench.dispi(9)], [128, 0]);
    const scanout = bench.vga.scanout();
    assert.ok(scanout.kind === 'linear');
    assert.deepEqual([scanout.pitch, scanout.offset], [512, 0]);
  });

  it('clears the memory unless told not to', () => {
    const bench = new VgaBench();
    bench.devices['video memory'].write(12345, 1, 7);
    bench.bochsMode(640, 480, 32, 0xc1);
    assert.equal(bench.memory.bytes()[12345], 7);
    bench.bochsMode(640, 480, 32);
    assert.equal(bench.memory.bytes()[12345], 0);
  });

  it('is there through base address register 2 as well, beside the ports and the monitor', () => {
    const bench = new VgaBench();
    const mmio = bench.devices['display registers'];
    mmio.write(0x502, 2, 1024);
    assert.equal(bench.dispi(1), 1024);
    assert.equal(mmio.read(0x500, 2), 0xb0c5);
    mmio.write(0x404, 2, 0x0502);
    assert.equal(bench.get(0x3c4, 2), 5);
    const edid = Array.from({ length: 128 }, (_, i) => mmio.read(i, 1));
    assert.deepEqual(edid.slice(0, 8), [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    assert.equal(edid.reduce((sum, byte) => sum + byte, 0) & 0xff, 0);
    assert.equal(mmio.read(0x604, 4), 0x1e1e1e1e);
  });
});

describe('the standard VGA', () => {
  it('goes on after restore as the saved one would', () => {
    const bench = new VgaBench();
    bench.mode(19);
    bench.color(1, 63, 0, 0);
    bench.poke(WINDOW, 1);
    bench.vga.writeConfig(0x10, 4, 0xe0000000);
    bench.vga.writeConfig(4, 2, 3);
    bench.out(0x3c0, 0x11);
    const other = new VgaBench();
    const blank = other.vga.save();
    other.vga.restore(bench.vga.save());
    assert.deepEqual(other.vga.save(), bench.vga.save());
    assert.equal(other.places['video memory'], 0xe0000000);
    assert.equal(other.peek(WINDOW), 1);
    other.vga.restore(blank);
    assert.deepEqual(other.vga.save(), blank);
    assert.equal(other.places['video memory'], undefined);
    assert.throws(() => other.vga.restore({ version: 99 }), /version 99/);
  });

  it('takes a million arbitrary accesses without an exception', () => {
    const bench = new VgaBench();
    const mmio = bench.devices['display registers'];
    const linear = bench.devices['video memory'];
    const ports = [
      0x3b4, 0x3b5, 0x3ba, 0x3c0, 0x3c1, 0x3c2, 0x3c4, 0x3c5, 0x3c7, 0x3c8, 0x3c9, 0x3ce, 0x3cf, 0x3d4, 0x3d5,
    ];
    let seed = 12345;
    const random = (limit: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * limit);
    };
    const size = () => 1 << random(3);
    const isValue = (value: number) => assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** 32);
    const steps = [
      () => bench.out(ports[random(ports.length)], random(256)),
      () => isValue(bench.in(0x3b0 + random(0x30))),
      () => bench.poke(WINDOW + random(0x1fffd), random(2 ** 32), size()),
      () => isValue(bench.peek(WINDOW + random(0x1fffd), size())),
      () => isValue(bench.dispi(random(14), random(65536))),
      () => mmio.write(random(0xffd), size(), random(2 ** 32)),
      () => isValue(mmio.read(random(0xffd), size())),
      () => linear.write(random(2 ** 24 - 3), size(), random(2 ** 32)),
      () => isValue(linear.read(random(2 ** 24 - 3), size())),
      () => bench.vga.writeConfig(random(64) * 4, 4, random(2 ** 32)),
    ];
    // the whole screen is cleared by modes that are switched on: seldom, for the test's time
    for (let i = 0; i < 1_000_000; i++) {
      const step = steps[random(steps.length)];
      if (step !== steps[4] || i % 64 === 0) step();
      if (i % 1000 === 0) bench.vga.scanout();
    }
  });
});
